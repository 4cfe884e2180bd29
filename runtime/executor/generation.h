#ifndef LUNASTALK_EXECUTOR_GENERATION_H
#define LUNASTALK_EXECUTOR_GENERATION_H
/*
 * Inside of the pool: a set of executors that were started with the same options, so with the same handlers. Spreads
 * jobs over them, sends short ones ahead, and takes back what waits behind a long one. Nobody else includes this.
 *
 *   LOADING ──generation_serve()──▶ SERVING ──generation_leave()──▶ LEAVING: gone(), once, when its last executor is
 *      └───────────────────generation_leave()──────────────────────────▲
 *
 * Only while it is SERVING is an executor that ends replaced (at once when it has run jobs, else with backoff).
 */
#include "executor/pool.h"

struct generation;

struct generation_events {
    void *context;
    /* One more executor has loaded the handlers. */
    void (*loaded)(void *context, struct generation *generation);
    /* The handlers do not load, or while LOADING an executor died or cannot be started. */
    void (*failed)(void *context, struct generation *generation, const char *why);
    /* The binary on disk is of another build. No executor is replaced any more. */
    void (*outdated)(void *context, struct generation *generation);
    /* The last executor has ended; a stuck one lives on until the kernel lets it go. */
    void (*gone)(void *context, struct generation *generation);
    const struct job_events *jobs; // lives as long as the generation
};

/* LOADING, but nothing is started. Copies `options` and the texts that change from one generation to the next. */
struct generation *generation_new(uv_loop_t *loop, unsigned count, const struct executor_options *options,
    uint64_t *sequences, const struct generation_events *events);
/* After gone(), or before generation_start(). The memory goes when the loop has closed its timers. */
void generation_free(struct generation *generation);

/* failed() may come from within. */
void generation_start(struct generation *generation);
void generation_serve(struct generation *generation);
/* What was sent is taken back, what runs finishes, what loads is killed. unstarted() and gone() may come from within. */
void generation_leave(struct generation *generation);
void generation_kill(struct generation *generation, const char *why);

/* Whether all of its executors are ready; whether one is; whether one that is has nothing to do. */
bool generation_complete(const struct generation *generation);
bool generation_ready(const struct generation *generation);
bool generation_idle(const struct generation *generation);
/* Whether it has served, and has executors that have not ended and are not stuck. */
bool generation_finishing(const struct generation *generation);
/* Its executors that have jobs. */
unsigned generation_working(const struct generation *generation);
/* The handlers that were loaded last. */
const struct handlers *generation_handlers(const struct generation *generation);

/* As in pool.h. */
bool generation_send(struct generation *generation, struct job *job);
bool generation_stop_job(struct generation *generation, struct job *job, enum board_why why);
void generation_visit(const struct generation *generation,
    void (*visit)(void *context, struct job *job, uint64_t since_ns), void *context);
void generation_recall(struct generation *generation);
struct executor *generation_find(struct generation *generation, uint64_t id);
void generation_flush(struct generation *generation);
/* Every few milliseconds: false when nothing is left to watch. */
bool generation_watch(struct generation *generation, uint64_t now_ns);

/* In the pool's list. */
struct list *generation_place(struct generation *generation);
struct generation *generation_at(struct list *place);

#endif
