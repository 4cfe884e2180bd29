#ifndef LUNASTALK_LUA_CONSOLE_H
#define LUNASTALK_LUA_CONSOLE_H
/*
 * What handlers print on stdout and stderr, which are pipes to the runtime. Each line belongs to the job that ran, so
 * its end has to wait until the runtime has read it; but a job that prints nothing must not pay a system call for that
 * to be known. So stdio gets buffers of ours with a mark at their start, which the first byte printed destroys; and
 * only after a job that ran long enough to start a program, which writes past stdio, the pipes themselves are asked.
 */
#include <stdbool.h>
#include <stdint.h>

enum { CONSOLE_BUFFER = 4096 };

struct console {
    char out[CONSOLE_BUFFER], err[CONSOLE_BUFFER];
};

/* Makes stdout and stderr line-buffered. `console` has to live as long as the process. */
void console_open(struct console *console);
/* Whether a job that ran for `spent_ns` has printed, as far as that can be told; all of it is in the pipes then. */
bool console_waits(struct console *console, uint64_t spent_ns);

#endif
