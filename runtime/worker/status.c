#include "worker/status.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "log/log.h"
#include "redis/cancels.h"
#include "redis/failures.h"
#include "redis/heartbeat.h"
#include "redis/locks.h"
#include "redis/records.h"
#include "worker/beat.h"
#include "worker/version.h"
#include "worker/wiring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status {
    struct worker *worker;
    struct redis *redis;
    struct backlog *backlog;
    struct locks *locks;
    struct heartbeat *heartbeat;
    struct version version;
    struct beat beat;
    char *failures_key, *records_prefix;
    uint64_t signature; // of what the last beat told
};

/* ---- what is told ---- */

static void record(struct status *status, const struct job *job, const char *state, unsigned attempt)
{
    const struct records_options options = {status->records_prefix, status->worker->config->records.ttl_s};
    const struct job_outcome *outcome = job->outcome;
    const struct record told = {
        .state = state,
        .id = job->envelope.id,
        .name = job->envelope.name,
        .tube = job->tube,
        .server = job->server,
        .job = job->id,
        .attempt = attempt,
        .worker = status->worker->identity.id,
        .error = outcome ? outcome->reason : NULL,
        .error_size = outcome ? outcome->reason_size : 0,
        .progress = job->progress,
        .runtime_ns = job->runtime_ns,
    };
    if (*job->envelope.id)
        records_update(status->backlog, &options, &told);
}

void status_done(struct status *status, struct job *job)
{
    if (!status)
        return;
    status_end_locks(status, job);
    record(status, job, "done", 0);
}

static void add_failure(struct status *status, const struct job *job, const struct policy_decision *decision)
{
    static const char *const states[] = {[POLICY_DELETE] = "deleted",
        [POLICY_BURY] = "buried",
        [POLICY_RELEASE] = "retrying",
        [POLICY_RETRY] = "retrying"};
    const struct job_outcome *outcome = job->outcome;
    const struct failure failure = {
        .server = job->server,
        .instance = queue_instance(status->worker->queue),
        .id = job->id,
        .name = job->envelope.name,
        .tube = job->tube,
        .state = states[decision->verb],
        .attempt = decision->attempt,
        .delay_s = decision->delay_s,
        .error = outcome->reason,
        .error_size = outcome->reason_size,
        .traceback = outcome->traceback,
        .traceback_size = outcome->traceback_size,
        .runtime_ns = job->runtime_ns,
        .worker = status->worker->identity.id,
        .record = job->envelope.id,
    };
    failures_add(status->backlog, status->failures_key, &failure);
}

void status_ended(struct status *status, struct job *job, const struct policy_decision *decision)
{
    static const char *const states[] = {[POLICY_DELETE] = "buried",
        [POLICY_BURY] = "buried",
        [POLICY_RELEASE] = "released",
        [POLICY_RETRY] = "retrying"};
    if (!status)
        return;
    status_end_locks(status, job);
    if (!job->outcome) {
        record(status, job, "done", decision->attempt);
        return;
    }
    if (decision->failure)
        add_failure(status, job, decision);
    record(status, job, states[decision->verb], decision->attempt);
}

void status_lost(struct status *status, struct job *job)
{
    if (status)
        record(status, job, "lost", 0);
}

/* ---- job:once() ---- */

static void end_lock(struct status *status, const struct job *job, const char *name, bool well)
{
    const struct locks_holder holder = beat_holder(status->worker, job);
    locks_end(status->locks, name, &holder, well);
}

void status_end_locks(struct status *status, struct job *job)
{
    for (const char *name = job->locks; name && *name; name += strlen(name) + 1)
        end_lock(status, job, name, !job->outcome);
    free(job->locks);
    job->locks = NULL;
}

struct taking {
    struct status *status;
    struct job *job;
    void (*done)(void *context, bool first, const char *problem);
    void *context;
    char name[];
};

static void on_taken(void *context, bool first, const char *problem)
{
    struct taking *taking = context;
    struct job *job = taking->job;
    bool over =
        job->state == JOB_SETTLING || job->state == JOB_LOST; // its executor has died, or it runs again elsewhere
    if (over) {
        end_lock(taking->status, job, taking->name, false);
        backlog_flush(taking->status->backlog); // the worker may have stopped: no turn will do it
    } else if (first || problem) {
        job_add_lock(job, taking->name);
    }
    taking->done(taking->context, first && !over, over ? "the reservation of the job is lost" : problem);
    job_free(job);
    free(taking);
}

void status_once(struct status *status, struct job *job, const char *name, unsigned ttl_s,
    void (*done)(void *context, bool first, const char *problem), void *context)
{
    if (!status) {
        done(context, false, "redis away: no redis is configured");
        return;
    }
    struct taking *taking = mem_new(sizeof *taking + strlen(name) + 1);
    *taking = (struct taking){status, job, done, context};
    memcpy(taking->name, name, strlen(name) + 1);
    job_hold(job);
    const struct locks_holder holder = beat_holder(status->worker, job);
    locks_take(status->locks, name, &holder, ttl_s, on_taken, taking);
}

/* ---- beats ---- */

static void on_describe(void *context, struct buffer *json)
{
    struct status *status = context;
    beat_describe(&status->beat, status->worker, &status->version, json);
}

static bool on_cancelled(void *context, uint64_t id, const char *who, size_t size)
{
    struct status *status = context;
    struct pool *pool = status->worker->pool;
    if (!pool || !pool_cancel(pool, id))
        return false;
    LOG(LEVEL_NOTICE, "job {id} is cancelled by {who}", F_NUMBER("id", id), F_BYTES("who", who, size));
    return true;
}

static void look_at_job(void *context, struct job *job, uint64_t since_ns)
{
    struct status *status = context;
    (void)since_ns;
    if (!job || job->state == JOB_LOST) // what a lost one does is no longer of account: another may run it
        return;
    cancels_look(status->redis, queue_instance(status->worker->queue), job->id, on_cancelled, status);
    if (!job->recorded) {
        job->recorded = true;
        record(status, job, "running", 0);
    }
}

static void on_beat(void *context)
{
    struct status *status = context;
    beat_measure(&status->beat, status->worker);
    pool_visit(status->worker->pool, look_at_job, status);
}

static void on_version(void *context, const char *bytes, size_t size)
{
    struct status *status = context;
    version_read(&status->version, status->worker, bytes, size);
}

static void on_up(void *context)
{
    struct status *status = context;
    backlog_retry(status->backlog);
    heartbeat_up(status->heartbeat);
}

void status_reserved(struct status *status)
{
    if (status)
        status->beat.reserved_ns = clock_ns();
}

void status_changed(struct status *status)
{
    if (status)
        heartbeat_changed(status->heartbeat);
}

void status_loading(struct status *status)
{
    if (status)
        version_loading(&status->version);
}

void status_loaded(struct status *status)
{
    if (!status)
        return;
    version_loaded(&status->version);
    heartbeat_changed(status->heartbeat);
}

struct job_version *status_version(const struct status *status)
{
    return status ? status->version.of_jobs : NULL;
}

void status_refused(struct status *status, bool loading)
{
    if (!status)
        return;
    version_refused(&status->version, loading);
    heartbeat_changed(status->heartbeat);
}

void status_turn(struct status *status)
{
    if (!status)
        return;
    backlog_flush(status->backlog);
    uint64_t signature = status->worker->jobs * 128 + pool_running(status->worker->pool);
    if (signature == status->signature)
        return;
    status->signature = signature;
    heartbeat_changed(status->heartbeat);
}

struct status *status_new(struct worker *worker, const char *password)
{
    const struct config *config = worker->config;
    if (!config->redis.server) {
        LOG(LEVEL_INFO, "no redis is configured: no heartbeat, no index of failures, no records, no version key");
        return NULL;
    }
    struct status *status = mem_new(sizeof *status);
    const struct heartbeat_events events = {status, on_describe, on_beat, on_version};
    status->worker = worker;
    status->redis = redis_new(&worker->loop, config, password, on_up, status);
    sinks_connect(&worker->sinks, status->redis);
    status->backlog = backlog_new(&worker->loop, status->redis);
    status->locks = locks_new(&worker->loop, status->redis, status->backlog);
    status->failures_key = redis_key(status->redis, "", FAILURES_KEY);
    status->records_prefix = redis_key(status->redis, config->records.prefix, "");
    status->heartbeat =
        heartbeat_new(&worker->loop, status->redis, config, worker->identity.id, worker->identity.instance, &events);
    version_open(&status->version, worker);
    beat_open(&status->beat);
    return status;
}

void status_close(struct status *status)
{
    if (!status)
        return;
    locks_close(status->locks);
    backlog_close(status->backlog);
    heartbeat_end(status->heartbeat);
    version_close(&status->version);
    redis_close(status->redis);
}

void status_free(struct status *status)
{
    if (!status)
        return;
    version_free(&status->version);
    backlog_free(status->backlog);
    locks_free(status->locks);
    heartbeat_free(status->heartbeat);
    free(status->failures_key);
    free(status->records_prefix);
    free(status);
}
