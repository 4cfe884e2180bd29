#ifndef LUNASTALK_WORKER_WIRING_H
#define LUNASTALK_WORKER_WIRING_H
/*
 * Inside of the worker: the struct that its files share. Nobody else includes this.
 *
 *   worker.c    the loop, signals, stopping          jobs.c      a job from reserved to settled
 *   report.c    what is logged of a job              requests.c  what a handler asks for while it runs
 *   callbacks.h callbacks put before a job's verb    deliveries.h callbacks posted
 *   status.h    what is told and heard through Redis: beat.h what a heartbeat says, version.h the version key
 *   reload.h    new handlers and settings            temporary.h directories for jobs
 *   sinks.h     the log to Redis and by mail
 */
#include "executor/pool.h"
#include "queue/queue.h"
#include "worker/identity.h"
#include "worker/reload.h"
#include "worker/sinks.h"
#include "worker/temporary.h"
#include "worker/worker.h"

/*
 * RUNNING ──signal, --run, --max-jobs, --stop-when-empty──▶ STOPPING ──all settled──▶ CLOSING ──▶ (loop ends)
 *                                                              └──grace over, second signal──▶┘
 */
enum worker_state { WORKER_RUNNING, WORKER_STOPPING, WORKER_CLOSING };

enum { WORKER_SIGNALS = 3 };

struct worker {
    uv_loop_t loop;
    const struct config *initial; // as at start
    struct config merged;         // it, with what reloads have taken over
    const struct config *config;  // `merged`
    struct reload reload;
    struct worker_options options;
    struct identity identity;
    struct temporary temporary;
    struct sinks sinks;
    enum worker_state state;
    enum worker_result result;
    struct queue *queue;
    struct pool *pool; // NULL once it is freed
    struct deliveries *deliveries;
    struct status *status; // NULL: no Redis is configured
    struct list held;      // HELD jobs, next first
    uint64_t jobs;         // ended, or buried without a run
    uint64_t errors;       // of them, failures
    bool dry;              // --stop-when-empty: nothing was ready, and nothing was settled since
    uv_prepare_t turn;     // the end of a loop turn
    uv_timer_t handback;   // for held jobs
    uv_timer_t deadline;   // --run; when stopping, the grace period
    uv_timer_t log;        // tries again to write what a slow reader left
    uv_signal_t signals[WORKER_SIGNALS];
    uv_signal_t resumed; // SIGCONT
    uv_signal_t hangup;  // SIGHUP
    uv_signal_t renamed; // SIGUSR1
};

/* worker.c */
void worker_stop(struct worker *worker, const char *why);
/* Those of executors with jobs:, settings: and log: of `config`, which they point into. */
void worker_executor_options(
    const struct worker *worker, const struct config *config, struct executor_options *options);

/* jobs.c */
void jobs_events(struct worker *worker, struct queue_events *events);
void jobs_ended(void *worker, struct job *job);
void jobs_unstarted(void *worker, struct job *job);
void jobs_touched(void *worker, struct job *job);
void jobs_timed_out(void *worker, struct job *job);
/* Sends held jobs to executors, and hands back those that have waited too long. */
void jobs_dispatch(struct worker *worker);
/* The handlers are others: those of held jobs that are gone are refused, the others' limits hold. */
void jobs_check_held(struct worker *worker);
/* Hands all held jobs back. */
void jobs_return_held(struct worker *worker);

/* requests.c */
void requests_put(void *worker, uint64_t executor, struct job *job, const struct executor_put *put);
void requests_asked(void *worker, uint64_t executor, struct job *job, uint32_t request);
void requests_progressed(void *worker, struct job *job, const char *json, size_t size);
void requests_once(
    void *worker, uint64_t executor, struct job *job, uint32_t request, const char *key, size_t size, uint32_t ttl_s);

/* report.c: one record each; those of an end let go what the log held back of the job */
void report_found(const struct job *job);
void report_done(const struct job *job);
/* `verb` is what happens to it now; stats are known. */
void report_outcome(const struct worker *worker, const struct job *job, const struct policy_decision *decision);
void report_unsettled(const struct job *job, enum queue_answer answer, const char *text);
void report_lost(const struct job *job, const char *why);

#endif
