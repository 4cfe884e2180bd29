#ifndef LUNASTALK_EXECUTOR_CHILD_H
#define LUNASTALK_EXECUTOR_CHILD_H
/*
 * Inside of an executor: the struct that executor.c (life, board) and frames.c (what it says) share. Nobody else
 * includes this.
 */
#include "base/outbox.h"
#include "executor/executor.h"
#include "executor/output.h"

enum executor_state { EXECUTOR_LOADING, EXECUTOR_READY, EXECUTOR_GONE };

struct executor {
    uv_loop_t *loop;
    struct executor_events events;
    struct executor_options options;
    uint64_t *sequences;
    uint64_t id;
    enum executor_state state;
    bool stopping; // STOP was sent
    uv_process_t process;
    uv_pipe_t wire;
    uv_timer_t limit; // of loading; later of the exit after the wire has ended
    struct output out, err;
    unsigned handles;
    struct buffer in;
    struct outbox outbox;
    struct board *board;
    struct list sent; // jobs in the order they were sent
    unsigned load;    // of `sent`
    bool used[BOARD_SLOTS];
    unsigned next_slot;
    char **names;
    size_t name_count;
    const char *fault; // why we kill it; NULL while it behaves
};

/* frames.c: handles every whole frame that has come. */
void frames_read(struct executor *executor);
/* A line that it has printed, for output.h. */
void frames_printed(void *executor, struct output *output, const char *line, size_t size);
/* The job with that sequence among the sent ones that has begun, or NULL. */
struct job *executor_find(struct executor *executor, uint64_t sequence);
/* The job that runs now, or NULL. */
struct job *executor_running(struct executor *executor);

#endif
