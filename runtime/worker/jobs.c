/* A job from reserved to settled. */
#include "worker/wiring.h"

#include "base/clock.h"
#include "executor/limits.h"
#include "log/log.h"
#include "worker/callbacks.h"
#include "worker/status.h"

#include <string.h>

enum { HELD_LONGEST_NS = 100 * 1000 * 1000, UNKNOWN_DELAY_S = 1 };

/* A job has ended, by whatever way; what --max-jobs counts. */
static void count(struct worker *worker, bool failure)
{
    worker->jobs++;
    worker->errors += failure;
    if (!worker->options.max_jobs || worker->state != WORKER_RUNNING)
        return;
    uint64_t left = worker->options.max_jobs - worker->jobs;
    queue_limit(worker->queue, left < 1000 ? (unsigned)left : 1000);
    if (!left)
        worker_stop(worker, "--max-jobs is reached");
}

static struct policy_decision decide(const struct worker *worker, const struct job *job)
{
    return job_decide(job, !queue_stores(worker->queue), (uint32_t)clock_ns());
}

static void send_verb(struct worker *worker, struct job *job, const struct policy_decision *decision)
{
    switch (decision->verb) {
    case POLICY_DELETE: queue_delete(worker->queue, job); break;
    case POLICY_BURY: queue_bury(worker->queue, job); break;
    case POLICY_RELEASE: queue_release(worker->queue, job, decision->delay_s); break;
    case POLICY_RETRY: queue_retry(worker->queue, job, decision->delay_s); break;
    }
}

/* All is known: the record, the callbacks, then the verb. */
static void settle_known(void *context, struct job *job)
{
    struct worker *worker = context;
    if (!queue_holds(job) || !job->stats)
        return; // lost: that was said, or follows
    struct policy_decision decision = decide(worker, job);
    if (job->outcome)
        report_outcome(worker, job, &decision);
    else
        report_done(job);
    status_ended(worker->status, job, &decision);
    callbacks_before(worker, job, &decision, send_verb);
}

static void settle(struct worker *worker, struct job *job)
{
    count(worker, decide(worker, job).failure);
    if (!job->outcome && !job->envelope.success) {
        report_done(job);
        status_done(worker->status, job);
        queue_delete(worker->queue, job);
        return;
    }
    job_move(job, JOB_SETTLING);
    queue_ask(worker->queue, job, settle_known, worker);
}

static void fail_unrun(struct worker *worker, struct job *job, enum policy_outcome kind, const char *reason)
{
    job_set_outcome(job, kind, 0, reason, strlen(reason), "", 0);
    settle(worker, job);
}

/* Whether the configuration and the handlers let it run; else it is on its way to be buried. */
static bool allow(struct worker *worker, struct job *job)
{
    struct error why;
    enum policy_outcome refusal;
    if (limits_set(job, pool_handlers(worker->pool), worker->config, &refusal, &why) == 0)
        return true;
    if (refusal == POLICY_UNKNOWN_NAME && reload_pending(worker)) { // which may bring it
        job_set_outcome(job, POLICY_RELEASED, UNKNOWN_DELAY_S, "", 0, "", 0);
        settle(worker, job);
    } else {
        fail_unrun(worker, job, refusal, why.text);
    }
    return false;
}

static bool check(struct worker *worker, struct job *job)
{
    struct error why;
    if (envelope_parse(&job->envelope, job->body, job->size, &why) == 0)
        return allow(worker, job);
    fail_unrun(worker, job, POLICY_NO_ENVELOPE, why.text);
    return false;
}

void jobs_check_held(struct worker *worker)
{
    struct list before;
    list_take(&worker->held, &before);
    while (!list_empty(&before)) {
        struct job *job = list_entry(before.next, struct job, place);
        list_remove(&job->place);
        if (allow(worker, job))
            list_insert(&worker->held, &job->place);
    }
    if (worker->state != WORKER_RUNNING)
        jobs_return_held(worker); // one of those refused was the last of --max-jobs
}

/* It goes back as it came. */
static void return_job(struct worker *worker, struct job *job)
{
    log_job_ended(job->id, false);
    queue_return(worker->queue, job);
}

static void on_reserved(void *context, struct job *job)
{
    struct worker *worker = context;
    if (worker->state != WORKER_RUNNING) {
        return_job(worker, job);
    } else if (check(worker, job)) {
        job->held_ns = job->reserved_ns;
        status_reserved(worker->status);
        report_found(job);
        list_insert(&worker->held, &job->place);
    }
}

static void on_settled(void *context, struct job *job, enum queue_answer answer, const char *text)
{
    struct worker *worker = context;
    worker->dry = false;
    if (answer != QUEUE_DONE)
        report_unsettled(job, answer, text);
    job_free(job);
}

static void on_lost(void *context, struct job *job, const char *why)
{
    struct worker *worker = context;
    bool sent = job->state == JOB_SENT || job->state == JOB_RUNNING;
    worker->dry = false;
    if (sent)
        pool_recall(worker->pool); // it, when it has not begun: then it is HELD. What else comes back is sent again.
    report_lost(job, worker->state == WORKER_CLOSING ? "the worker stops" : why);
    if (job->state == JOB_SETTLING) { // it has ended, and that was not reported
        status_end_locks(worker->status, job);
        status_lost(worker->status, job);
    }
    if (!sent || job->state == JOB_HELD) {
        list_remove(&job->place); // it may live on until what was asked about it is answered
        job_free(job);
        return;
    }
    status_lost(worker->status, job);
    job_move(job, JOB_LOST);
    pool_stop_job(worker->pool, job, BOARD_LOST);
}

static void on_empty(void *context)
{
    struct worker *worker = context;
    if (!worker->options.stop_when_empty || worker->state != WORKER_RUNNING)
        return;
    worker->dry = true;
    if (!queue_outstanding(worker->queue))
        worker_stop(worker, "no job is ready");
}

void jobs_events(struct worker *worker, struct queue_events *events)
{
    *events = (struct queue_events){worker, on_reserved, on_settled, on_lost, on_empty};
}

void jobs_ended(void *context, struct job *job)
{
    struct worker *worker = context;
    if (job->state != JOB_LOST) {
        settle(worker, job);
        return;
    }
    status_end_locks(worker->status, job);
    log_job_ended(job->id, false);
    job_free(job); // that it was lost was said then
}

void jobs_touched(void *context, struct job *job)
{
    struct worker *worker = context;
    queue_touch(worker->queue, job);
}

void jobs_timed_out(void *context, struct job *job)
{
    struct worker *worker = context;
    queue_touch_now(worker->queue, job);
}

void jobs_unstarted(void *context, struct job *job)
{
    struct worker *worker = context;
    if (job->state == JOB_LOST) {
        job_free(job);
    } else if (worker->state != WORKER_RUNNING && job->consumer) {
        return_job(worker, job);
    } else {
        if (!pool_ready(worker->pool))
            job->held_ns = clock_ns(); // its executor died, and the next one is on its way
        list_insert(worker->held.next, &job->place);
    }
}

void jobs_return_held(struct worker *worker)
{
    while (!list_empty(&worker->held)) {
        struct job *job = list_entry(worker->held.next, struct job, place);
        list_remove(&job->place);
        return_job(worker, job);
    }
}

/* Hands back what has been held too long; returns for how long the oldest of the others has been held, 0: none is left.
 */
static uint64_t hand_back(struct worker *worker, uint64_t now)
{
    uint64_t oldest = 0;
    for (struct list *link = worker->held.next, *after; link != &worker->held; link = after) {
        struct job *job = list_entry(link, struct job, place);
        uint64_t age = now - job->held_ns;
        after = link->next;
        if (age < HELD_LONGEST_NS) {
            oldest = age > oldest ? age : oldest;
            continue;
        }
        list_remove(&job->place);
        return_job(worker, job);
    }
    return oldest;
}

static void on_handback(uv_timer_t *timer)
{
    (void)timer; // the turn that ends with it hands back
}

void jobs_dispatch(struct worker *worker)
{
    while (!list_empty(&worker->held)) {
        struct job *job = list_entry(worker->held.next, struct job, place);
        job_set_version(job, status_version(worker->status));
        // A stale one waits for the answer to its touch: its reservation may be gone.
        if (uv_now(&worker->loop) < job->fresh_until_ms && pool_send(worker->pool, job))
            continue;
        uint64_t oldest = hand_back(worker, clock_ns());
        if (oldest)
            uv_timer_start(&worker->handback, on_handback, (HELD_LONGEST_NS - oldest) / 1000000 + 1, 0);
        return;
    }
}
