#include "lua/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_MB = 16, LARGEST = LARGEST_MB * 1024 * 1024, CHUNK = 64 * 1024 };

const char *source_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return "a directory";
    case S_IFIFO: return "a FIFO";
    case S_IFSOCK: return "a socket";
    default: return "a device";
    }
}

/* 0 when the whole file was read; else errno, EFBIG when it is too large. */
static int read_all(int fd, off_t expected, struct buffer *text)
{
    size_t room = expected < CHUNK ? (size_t)expected + 1 : CHUNK;
    while (buffer_size(text) <= LARGEST) {
        ssize_t size = read(fd, buffer_reserve(text, room), room);
        if (size < 0 && errno != EINTR)
            return errno;
        if (size == 0)
            return 0;
        buffer_commit(text, size > 0 ? (size_t)size : 0);
    }
    return EFBIG;
}

static enum source_result refuse(struct buffer *text, int error)
{
    buffer_consume(text, buffer_size(text));
    if (error == EFBIG)
        buffer_printf(text, "is larger than %d MB", LARGEST_MB);
    else
        buffer_printf(text, "cannot be read: %s", strerror(error));
    return SOURCE_REFUSED;
}

enum source_result source_read(const char *path, struct buffer *text)
{
    struct stat about;
    if (stat(path, &about) < 0)
        return errno == ENOENT || errno == ENOTDIR ? SOURCE_MISSING : refuse(text, errno);
    if (!S_ISREG(about.st_mode)) {
        buffer_printf(text, "is %s, not a regular file", source_kind(about.st_mode));
        return SOURCE_REFUSED;
    }
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return refuse(text, errno);
    int error = read_all(fd, about.st_size, text);
    close(fd);
    return error ? refuse(text, error) : SOURCE_READ;
}
