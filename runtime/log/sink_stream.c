#include "log/sink_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_MOST = 1024 * 1024 };

static size_t line_size(const char *line, size_t size)
{
    const char *end = memchr(line, '\n', size);
    return end ? (size_t)(end - line) + 1 : size;
}

/* Drops the oldest record of which nothing has left; the rest of one that was begun moves into its place. */
static void drop_oldest(struct sink_stream *sink)
{
    char *data = buffer_data(&sink->kept);
    size_t record = line_size(data + sink->begun, buffer_size(&sink->kept) - sink->begun);
    memmove(data + record, data, sink->begun);
    buffer_consume(&sink->kept, record);
    sink->dropped++;
}

static bool writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents;
}

static void consume(struct sink_stream *sink, size_t written)
{
    const char *data = buffer_data(&sink->kept);
    size_t begun = data[written - 1] == '\n' ? 0 : line_size(data + written, buffer_size(&sink->kept) - written);
    buffer_consume(&sink->kept, written);
    sink->begun = begun;
}

static void give_up(struct sink_stream *sink)
{
    sink->broken = true;
    buffer_free(&sink->kept);
}

static void write_kept(struct sink_stream *sink)
{
    while (buffer_size(&sink->kept) && writable(sink->fd)) {
        size_t size = buffer_size(&sink->kept);
        ssize_t written = write(sink->fd, buffer_data(&sink->kept), size < PIPE_BUF ? size : PIPE_BUF);
        if (written > 0)
            consume(sink, (size_t)written);
        else if (errno == EAGAIN || errno == ENOSPC || errno == EDQUOT)
            return; // a full disk may have room again
        else if (errno != EINTR)
            give_up(sink);
    }
}

void sink_stream_write(struct sink_stream *sink, const char *record, size_t size)
{
    if (buffer_size(&sink->kept) + size > KEPT_MOST)
        write_kept(sink); // one turn of the loop can bring more than is kept
    if (sink->broken)
        return;
    while (buffer_size(&sink->kept) > sink->begun && buffer_size(&sink->kept) + size > KEPT_MOST)
        drop_oldest(sink);
    buffer_append(&sink->kept, record, size);
}

bool sink_stream_flush(struct sink_stream *sink)
{
    write_kept(sink);
    if (sink->dropped && !buffer_size(&sink->kept) && !sink->broken) {
        buffer_printf(
            &sink->kept, "lunastalk: %llu log records were dropped: nobody read this stream\n", sink->dropped);
        sink->dropped = 0;
        write_kept(sink);
    }
    return buffer_size(&sink->kept) > 0;
}
