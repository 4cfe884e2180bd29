#ifndef LUNASTALK_EXECUTOR_CHILD_H
#define LUNASTALK_EXECUTOR_CHILD_H
/*
 * Inside of an executor: the struct that its files share. Nobody else includes this.
 *
 *   executor.c   start and end of the child      sent.c    its jobs: send, harvest, recall
 *   frames.c     what it says                    watch.c   time limits, memory, and the ladder of a stop
 *   answers.c    what it is told of what it asked      ring.c    calls it while it waits, to close what is idle
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
    bool stopping; // STOP was sent: it takes no more jobs
    uv_process_t process;
    uv_pipe_t wire;
    uv_timer_t limit;    // of loading; later of the exit after the wire has ended
    uv_timer_t ring;     // when it wants a RING; then, until it answers
    bool rung;           // RING was sent and is not answered
    uint64_t rung_ended; // `ended` when its silence began
    struct output out, err;
    uint64_t printing; // sequence of the job that ran when what was printed was about to be read
    unsigned handles;
    struct buffer in;
    struct outbox outbox;
    struct board *board;
    struct list sent; // jobs in the order they were sent
    unsigned load;    // of `sent`
    uint64_t ended;   // jobs that have ended here
    bool used[BOARD_SLOTS];
    unsigned next_slot;
    struct handlers handlers; // while loading
    uint64_t recent_sequence; // the job that said what is in `recent`
    struct buffer recent;     // its last words, a line each: what is left of a job that is killed
    char fault[160];          // why we kill it; "" while it behaves
    bool broken;              // what it says is not to be believed any more
    char directory[512];      // for temporary files

    /* watch.c: the stop of one job. */
    uint64_t stop_sequence; // 0: none is being stopped
    unsigned step;          // of the ladder, the next one
    uint64_t stop_ns;       // when it began
    uint64_t memory_ns;     // when its memory was last looked at
    uint64_t leaving_ns;    // since when it has STOP and no job; 0: not yet
};

/* executor.c: kills it for breaking a rule; nothing more of it is read. */
void executor_break(struct executor *executor, const char *why);

/* frames.c: handles every whole frame that has come. */
void frames_read(struct executor *executor);
/* "last records: …" of the job, to be its traceback; good until the next record. */
const char *frames_recent(struct executor *executor, const struct job *job);
/* For output.h: notes which job runs; logs a line with the job that was noted. */
void frames_reading(void *executor);
void frames_printed(void *executor, struct output *output, const char *line, size_t size);

/* answers.c: what was printed has been read. */
void executor_answer_output(struct executor *executor, uint32_t request);

/* ring.c: IDLE came. False: it does not fit. */
bool ring_wanted(struct executor *executor, uint32_t after_ms, bool answers);

/* executor.c: the bytes that are still in the wire; a child's last words stay readable after its death. */
void executor_drain_wire(struct executor *executor);

/* sent.c */
struct job *executor_job_at(const struct list *link);
enum board_state executor_state_of(const struct executor *executor, const struct job *job);
/* The job with that sequence among the sent ones that has begun, or NULL. */
struct job *executor_find(struct executor *executor, uint64_t sequence);
/* Every job it still has, after its death: what ended is settled so, what ran has failed, the rest was never begun. */
void executor_give_all_back(struct executor *executor, const char *why);

#endif
