#include "lua/console.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char mark[] = "\x7fsilent"; // not a text that anybody prints
enum { PROGRAM_NS = 50 * 1000 };         // no program is started, and has printed, in less

static void open_stream(FILE *stream, char *buffer)
{
    setvbuf(stream, buffer, _IOLBF, CONSOLE_BUFFER);
    memcpy(buffer, mark, sizeof mark);
}

void console_open(struct console *console)
{
    open_stream(stdout, console->out);
    open_stream(stderr, console->err);
}

static bool touched(FILE *stream, char *buffer)
{
    if (memcmp(buffer, mark, sizeof mark) == 0)
        return false;
    fflush(stream);
    memcpy(buffer, mark, sizeof mark);
    return true;
}

static bool holds_bytes(int fd)
{
    int size = 0;
    return ioctl(fd, FIONREAD, &size) == 0 && size > 0;
}

bool console_waits(struct console *console, uint64_t spent_ns)
{
    bool out = touched(stdout, console->out), err = touched(stderr, console->err);
    if (out || err)
        return true;
    return spent_ns >= PROGRAM_NS && (holds_bytes(STDOUT_FILENO) || holds_bytes(STDERR_FILENO));
}
