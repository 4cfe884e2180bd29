#include "command/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

int lines_open(struct lines *lines, const char *path, struct error *error)
{
    *lines = (struct lines){.fd = STDIN_FILENO};
    if (strcmp(path, "-") != 0)
        lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    return lines->fd < 0 ? error_set(error, "%s: %s", path, strerror(errno)) : 0;
}

void lines_close(struct lines *lines)
{
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
    buffer_free(&lines->bytes);
}

uint64_t lines_total(const struct lines *lines)
{
    struct stat status;
    return fstat(lines->fd, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

bool lines_would_wait(const struct lines *lines)
{
    struct pollfd input = {.fd = lines->fd, .events = POLLIN};
    return poll(&input, 1, 0) == 0;
}

static void drop_given(struct lines *lines)
{
    buffer_consume(&lines->bytes, lines->given);
    lines->given = 0;
}

int lines_read(struct lines *lines, struct error *error)
{
    ssize_t size;
    drop_given(lines);
    do
        size = read(lines->fd, buffer_reserve(&lines->bytes, CHUNK), CHUNK);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return error_set(error, "cannot read on: %s", strerror(errno));
    buffer_commit(&lines->bytes, (size_t)size);
    lines->bytes_read += (size_t)size;
    lines->ended = size == 0;
    return 0;
}

/* What is there of a line that is too long is dropped, and goes on being dropped up to its end. */
static void drop_long(struct lines *lines)
{
    lines->searched = buffer_size(&lines->bytes);
    if (!lines->too_long && lines->searched <= LINES_LONGEST)
        return;
    lines->too_long = true;
    buffer_consume(&lines->bytes, lines->searched);
    lines->searched = 0;
}

bool lines_next(struct lines *lines, const char **line, size_t *size)
{
    drop_given(lines);
    size_t there = buffer_size(&lines->bytes);
    *line = there ? buffer_data(&lines->bytes) : "";
    const char *end = there ? memchr(*line + lines->searched, '\n', there - lines->searched) : NULL;
    if (!end && !(lines->ended && (there || lines->too_long))) {
        drop_long(lines);
        return false;
    }
    *size = end ? (size_t)(end - *line) : there;
    lines->given = *size + (end ? 1 : 0);
    lines->searched = 0;
    lines->number++;
    if (*size && (*line)[*size - 1] == '\r')
        --*size;
    if (lines->too_long || *size > LINES_LONGEST)
        *line = NULL;
    lines->too_long = false;
    return true;
}
