#include "executor/output.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINE_LONGEST = 16 * 1024, CHUNK = 64 * 1024, DRAIN_MOST = 1024 * 1024 };

static void end_line(struct output *output, size_t size, size_t whole)
{
    output->printed(output->owner, output, buffer_data(&output->line), size);
    buffer_consume(&output->line, whole);
}

/* Gives whole lines away; one over LINE_LONGEST goes in pieces. */
static void split(struct output *output)
{
    while (buffer_size(&output->line)) {
        const char *data = buffer_data(&output->line);
        size_t size = buffer_size(&output->line), cut = utf8_cut(data, size, LINE_LONGEST);
        const char *end = memchr(data, '\n', size);
        if (end && end - data <= LINE_LONGEST)
            end_line(output, (size_t)(end - data), (size_t)(end - data) + 1);
        else if (cut < size)
            end_line(output, cut, cut);
        else
            return;
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct output *output = handle->data;
    (void)suggested;
    output->reading(output->owner);
    *room = uv_buf_init(buffer_reserve(&output->line, CHUNK), CHUNK);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct output *output = stream->data;
    (void)room;
    if (size < 0) {
        uv_read_stop(stream);
        return;
    }
    buffer_commit(&output->line, (size_t)size);
    split(output);
}

void output_open(struct output *output, uv_loop_t *loop, int fd)
{
    uv_pipe_init(loop, &output->pipe, 0);
    output->pipe.data = output;
    uv_pipe_open(&output->pipe, fd);
    uv_read_start((uv_stream_t *)&output->pipe, on_room, on_read);
}

void output_drain(struct output *output)
{
    int fd;
    size_t total = 0; // a pipe holds no more: whoever writes on and on is read by the loop
    if (uv_fileno((uv_handle_t *)&output->pipe, &fd) != 0)
        return;
    output->reading(output->owner);
    while (total < DRAIN_MOST) {
        ssize_t size = read(fd, buffer_reserve(&output->line, CHUNK), CHUNK);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        total += (size_t)size;
        buffer_commit(&output->line, (size_t)size);
        split(output);
    }
    if (buffer_size(&output->line))
        end_line(output, buffer_size(&output->line), buffer_size(&output->line));
}
