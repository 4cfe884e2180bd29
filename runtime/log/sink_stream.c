/*
 * stdout and stderr. The descriptor is shared with whoever started the worker and stays in blocking mode, so it is
 * written only as far as poll() says that a write of PIPE_BUF bytes does not block; a file and /dev/null never do.
 */
#include "base/memory.h"
#include "log/kept.h"
#include "log/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct stream {
    struct sink *sink;
    int fd;
    size_t most; // bytes of one write
    struct kept kept;
    bool broken;                // the other end is gone
    unsigned long long written; // records, since report()
    int error;                  // errno of the last write, since then
};

/* Of what can be full a write of more may block. */
static size_t choose_most(int fd)
{
    struct stat status;
    bool always = fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && !isatty(fd)));
    return always ? SIZE_MAX : PIPE_BUF;
}

static void *open_stream(void *context, const struct config_sink *config, struct sink *sink)
{
    struct stream *stream = mem_new(sizeof *stream);
    (void)context;
    stream->sink = sink;
    stream->fd = config->to == CONFIG_SINK_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    stream->most = choose_most(stream->fd);
    return stream;
}

static bool writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents;
}

static void give_up(struct stream *stream)
{
    stream->broken = true;
    buffer_free(&stream->kept.lines);
    stream->kept.begun = 0;
}

static void write_kept(struct stream *stream)
{
    struct buffer *lines = &stream->kept.lines;
    while (buffer_size(lines) && writable(stream->fd)) {
        size_t size = buffer_size(lines);
        ssize_t written = write(stream->fd, buffer_data(lines), size < stream->most ? size : stream->most);
        if (written > 0) {
            stream->written += kept_count(buffer_data(lines), (size_t)written);
            kept_consume(&stream->kept, (size_t)written);
        } else if (errno != EINTR) {
            stream->error = errno == EAGAIN ? 0 : errno;
            if (stream->error && errno != ENOSPC && errno != EDQUOT) // a full disk may have room again
                give_up(stream);
            return;
        }
    }
}

/* Tells the log what was written, and what was not. */
static void report(struct stream *stream)
{
    unsigned long long written = stream->written;
    int error = stream->error;
    stream->written = 0;
    stream->error = 0;
    if (written)
        sink_wrote(stream->sink, written, buffer_size(&stream->kept.lines) ? 0 : kept_take_dropped(&stream->kept));
    if (error)
        sink_failed(stream->sink, strerror(error));
}

static void take(void *state, const struct sink_record *record)
{
    struct stream *stream = state;
    if (buffer_size(&stream->kept.lines) + record->line_size > KEPT_MOST)
        write_kept(stream); // one turn of the loop can bring more than is kept
    if (!stream->broken)
        kept_add(&stream->kept, record->line, record->line_size);
}

static bool flush(void *state)
{
    struct stream *stream = state;
    write_kept(stream);
    report(stream);
    return buffer_size(&stream->kept.lines) > 0;
}

static void close_stream(void *state)
{
    struct stream *stream = state;
    write_kept(stream);
    buffer_free(&stream->kept.lines);
    free(stream);
}

const struct sink_class sink_stream = {.open = open_stream, .take = take, .flush = flush, .close = close_stream};
