#ifndef LUNASTALK_EXECUTOR_POOL_H
#define LUNASTALK_EXECUTOR_POOL_H
/*
 * The executors of a worker, in generations (generation.h) of `count`. One serves, and gets the jobs. One can be coming:
 * it loads beside it, and takes over when all of its executors are ready; if one is not, it goes and nothing has
 * happened. At most two that have served are leaving: they finish the jobs that run, and exit.
 */
#include "executor/executor.h"

struct pool;

struct pool_events {
    void *context;
    /* The first executor has loaded the handlers: jobs can be sent. Once. */
    void (*ready)(void *context, size_t handlers);
    /* The handlers do not load and never have: the worker cannot begin. */
    void (*refused)(void *context, const char *why);
    /* The last executor is gone, after pool_stop(). */
    void (*stopped)(void *context);
    /* The generation of the last pool_reload() has taken over. What the one before had not begun came back before. */
    void (*reloaded)(void *context, size_t handlers);
    /* It has not, and is gone: why, with file and line where a handler does not load. */
    void (*kept)(void *context, const char *why);
    /* The executor's binary on disk is of another build: no more executors can be started. More than once. */
    void (*outdated)(void *context);
    struct job_events jobs; // unstarted(): to go before those that are held
};

/* Starts nothing yet. Takes copies of jobs_path and settings; what else `options` point to lives as long as the pool. */
struct pool *pool_new(
    uv_loop_t *loop, unsigned count, const struct executor_options *options, const struct pool_events *events);
/* Frees the pool; its executors must be gone (stopped()). */
void pool_free(struct pool *pool);

void pool_start(struct pool *pool);
/* Each executor exits when its jobs have ended; none is replaced. stopped() follows. */
void pool_stop(struct pool *pool);
/* Ends all executors now. stopped() follows when pool_stop() was called. */
void pool_kill(struct pool *pool, const char *why);

/* Whether a reload can begin: not before ready(), after pool_stop(), or while two generations are leaving. */
bool pool_can_reload(const struct pool *pool);
/* Starts a new generation, instead of one that loads: of that nothing more is heard. reloaded() or kept() follows, the
 * latter also from within. `options` as in pool_new(). */
void pool_reload(struct pool *pool, const struct executor_options *options);
/* Whether a generation is coming. */
bool pool_reloading(const struct pool *pool);
/* Executors of former generations that still run jobs. */
unsigned pool_leaving(const struct pool *pool);

/* Whether an executor is ready and has nothing to do. */
bool pool_idle(const struct pool *pool);
bool pool_ready(const struct pool *pool);
/* The handlers of the generation that serves, as they were loaded last. Good until the loop goes on. */
const struct handlers *pool_handlers(const struct pool *pool);
/* Gives the job to the ready executor with the least to do. False: none is ready, or all have work that takes long. */
bool pool_send(struct pool *pool, struct job *job);
/* Stops the job, see executor_stop_job(). False: it does not run, or is being stopped already. */
bool pool_stop_job(struct pool *pool, struct job *job, enum board_why why);
/* Ends the running job with that id for good: it fails as "cancelled" and is not tried again. False as above. */
bool pool_cancel(struct pool *pool, uint64_t id);
/* Calls visit() for each executor with the job that it runs, and since when (clock_ns()), or NULL. */
void pool_visit(
    const struct pool *pool, void (*visit)(void *context, struct job *job, uint64_t since_ns), void *context);
/* Executors that run a job. */
unsigned pool_running(const struct pool *pool);
/* Takes back all jobs that have not begun: unstarted() from within. */
void pool_recall(struct pool *pool);
/* The executor, or NULL when it is gone. */
struct executor *pool_find(struct pool *pool, uint64_t id);
/* Once per loop turn: what was sent leaves. */
void pool_flush(struct pool *pool);

#endif
