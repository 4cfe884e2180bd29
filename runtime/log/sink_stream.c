#include "log/sink_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_MOST = 1024 * 1024 };

static void drop_oldest(struct sink_stream *sink, size_t room)
{
    while (buffer_size(&sink->kept) && buffer_size(&sink->kept) + room > KEPT_MOST) {
        const char *data = buffer_data(&sink->kept), *end = memchr(data, '\n', buffer_size(&sink->kept));
        buffer_consume(&sink->kept, end ? (size_t)(end - data) + 1 : buffer_size(&sink->kept));
        sink->dropped++;
    }
}

void sink_stream_write(struct sink_stream *sink, const char *record, size_t size)
{
    if (sink->broken)
        return;
    drop_oldest(sink, size);
    buffer_append(&sink->kept, record, size);
}

static bool writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents;
}

bool sink_stream_flush(struct sink_stream *sink)
{
    while (buffer_size(&sink->kept) && writable(sink->fd)) {
        size_t size = buffer_size(&sink->kept);
        ssize_t written = write(sink->fd, buffer_data(&sink->kept), size < PIPE_BUF ? size : PIPE_BUF);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            sink->broken = true;
            buffer_free(&sink->kept);
        } else if (written > 0) {
            buffer_consume(&sink->kept, (size_t)written);
        } else if (errno == EAGAIN) {
            break;
        }
    }
    if (sink->dropped && !buffer_size(&sink->kept) && !sink->broken) {
        buffer_printf(
            &sink->kept, "lunastalk: %llu log records were dropped: nobody read this stream\n", sink->dropped);
        sink->dropped = 0;
        return sink_stream_flush(sink);
    }
    return buffer_size(&sink->kept) > 0;
}
