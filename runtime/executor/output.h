#ifndef LUNASTALK_EXECUTOR_OUTPUT_H
#define LUNASTALK_EXECUTOR_OUTPUT_H
/*
 * What an executor prints: a pipe read line by line into the log, each with the job that printed it. The end of the
 * pipe is never waited for: a program that a handler left behind may hold it for ever.
 */
#include "base/buffer.h"
#include "base/level.h"

#include <uv.h>

struct output {
    uv_pipe_t pipe;
    enum level level;
    const char *name; // "stdout"
    struct buffer line;
    void (*reading)(void *owner); // bytes may be read next: whose are they?
    void (*printed)(void *owner, struct output *output, const char *line, size_t size);
    void *owner;
};

/* Starts to read the pipe's end `fd`. */
void output_open(struct output *output, uv_loop_t *loop, int fd);
/* Reads what is there now, and ends a line that was begun. */
void output_drain(struct output *output);

#endif
