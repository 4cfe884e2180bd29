#ifndef LUNASTALK_EXECUTOR_EXECUTOR_H
#define LUNASTALK_EXECUTOR_EXECUTOR_H
/*
 * One executor as the runtime sees it: a child process, the wire, the board, and what it prints.
 *
 *   LOADING ──HELLO, HANDLER …, READY──▶ READY ──▶ GONE: gone(), once, after both its exit and the last of the wire
 *      └──────REFUSED, exit──────────────────────────▲
 *
 * Jobs that were sent are its own until ended() or unstarted() gives each back, exactly once. A child that breaks a
 * rule of the wire, or goes silent, is killed and ends like any other. Callbacks come from the loop, but for those that
 * a call names.
 */
#include "executor/board.h"
#include "executor/handlers.h"
#include "executor/wire.h"
#include "job/job.h"

#include <uv.h>

struct executor;

struct executor_options {
    const char *binary;
    const char *directory; // its working directory
    const char *jobs_path;
    const char *settings; // JSON
    unsigned lowest_level;
    uint64_t memory;       // limit in bytes; 0: none
    uint64_t max_jobs;     // pool: it is replaced after so many; 0: never
    uint64_t max_memory;   // pool: it is replaced between jobs when it is larger; 0: never
    const char *temporary; // directory of the worker's temporary files; each executor has its own below it
};

/* A put of a handler, to be answered with executor_answer_put(). `job` is NULL when no job runs. Texts are borrowed. */
struct executor_put {
    uint32_t request;
    const char *tube;
    size_t tube_size;
    uint32_t priority, delay_s, ttr_s;
    const char *body;
    size_t size;
};

/*
 * What becomes of jobs, and what they ask while they run. `id` is that of the executor, which may be gone when the answer
 * comes: pool_find().
 */
struct job_events {
    void *context;
    /* The job has run; job->outcome and runtime_ns tell how. The receiver's again. */
    void (*ended)(void *context, struct job *job);
    /* The job was not begun and is HELD again: recalled, or the executor died. The receiver's again. */
    void (*unstarted)(void *context, struct job *job);
    void (*put)(void *context, uint64_t id, struct job *job, const struct executor_put *put);
    /* Wants tube and attempt of the job: executor_answer_stats(). */
    void (*asked)(void *context, uint64_t id, struct job *job, uint32_t request);
    /* job:touch(): its reservation should be renewed. */
    void (*touched)(void *context, struct job *job);
    /* job:progress(): `size` bytes of JSON, borrowed. Ten a second of a job, in bursts of ten. */
    void (*progressed)(void *context, struct job *job, const char *json, size_t size);
    /* job:once(): whether this job is the first to name the key, which is borrowed: executor_answer_once(). */
    void (*once)(
        void *context, uint64_t id, struct job *job, uint32_t request, const char *key, size_t size, uint32_t ttl_s);
    /* The job's time is over; it is stopped next. Its reservation should be renewed at once. */
    void (*timed_out)(void *context, struct job *job);
};

struct executor_events {
    void *context;
    /* All handlers are loaded; the table is the receiver's to free. */
    void (*ready)(void *context, struct executor *executor, struct handlers *handlers);
    /* Its handlers do not load; `why` names file and line. gone() follows. */
    void (*refused)(void *context, struct executor *executor, const char *why);
    /* The binary is of another build than this one. gone() follows. */
    void (*outdated)(void *context, struct executor *executor);
    /* One more job has run; jobs->ended() follows. */
    void (*worked)(void *context, struct executor *executor);
    /* It was killed five seconds ago and has not ended: something in the kernel holds it. Its jobs stay its own. */
    void (*stuck)(void *context, struct executor *executor);
    /* It is dead and has given all its jobs back. The pointer is dead after this. */
    void (*gone)(void *context, struct executor *executor, const char *why);
    const struct job_events *jobs; // lives as long as the executor
};

/*
 * Starts the child. NULL when that is not possible, with the reason in `error`. `sequences` counts the jobs sent by all
 * executors of a pool; no number is used twice.
 */
struct executor *executor_start(uv_loop_t *loop, const struct executor_options *options,
    const struct executor_events *events, uint64_t *sequences, struct error *error);

bool executor_ready(const struct executor *executor);
/* Whether executor_watch() has something to look at: it has jobs, or is to exit. */
bool executor_active(const struct executor *executor);
/* Appends the CONFIG frame (wire.h); `directory` for temporary files, or "". */
void executor_put_config(struct buffer *out, const struct executor_options *options, const char *directory);
/* The job that it runs, and since when (clock_ns()); NULL: none. */
struct job *executor_running(const struct executor *executor, uint64_t *since_ns);
/* Whether it runs this job. */
bool executor_runs(const struct executor *executor, const struct job *job);
/* Jobs sent and not given back. */
unsigned executor_load(const struct executor *executor);
/* Whether its running job began `limit_ns` ago or longer. */
bool executor_busy(const struct executor *executor, uint64_t limit_ns);
/* A number that no other executor of this process has or will have. */
uint64_t executor_id(const struct executor *executor);

/* HELD → SENT; takes it off the list that it is in. There must be room: executor_load() < BOARD_SLOTS. Leaves with executor_flush(). */
void executor_send(struct executor *executor, struct job *job);
void executor_flush(struct executor *executor);
/* Looks at the board: what has ended is given back. ended() comes from within. */
void executor_harvest(struct executor *executor);
/* Takes back what was sent behind that job. unstarted() comes from within. */
void executor_recall_behind(struct executor *executor, struct job *running);
/*
 * Every few milliseconds while executor_active(): harvests, takes back what waits behind a job that has run for `long_ns` or
 * longer, and stops what has run or grown too long. ended(), unstarted(), timed_out() and stuck() come from within.
 */
void executor_watch(struct executor *executor, uint64_t now_ns, uint64_t long_ns);
/*
 * Stops the job, which runs: what is behind it is taken back, an error is raised in it, and a second later its process
 * group is killed. The executor ends after it in any case. unstarted() comes from within. False: it is being stopped already.
 */
bool executor_stop_job(struct executor *executor, struct job *job, enum board_why why, uint64_t limit_ms);
/* Bytes of memory that the process has resident; 0 when that cannot be told. */
uint64_t executor_memory(const struct executor *executor);
/* Jobs that have ended on it. */
uint64_t executor_ended(const struct executor *executor);
/* Takes back everything not begun. unstarted() comes from within. */
void executor_recall(struct executor *executor);
/* When its jobs have ended, it exits; while it loads, at once. */
void executor_stop(struct executor *executor);
/* Ends it and whatever it started. `why` becomes the reason of the job that runs. */
void executor_kill(struct executor *executor, const char *why);

/* Answers; message NULL: all is well. */
void executor_answer_put(
    struct executor *executor, uint32_t request, uint64_t id, const char *message, const char *code);
void executor_answer_stats(
    struct executor *executor, uint32_t request, const char *tube, unsigned attempt, const char *message);
void executor_answer_once(struct executor *executor, uint32_t request, bool first, const char *message);

#endif
