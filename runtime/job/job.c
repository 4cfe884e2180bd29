#include "job/job.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAY(state) (1u << (state))

static const unsigned moves[JOB_STATES] = {
    [JOB_HELD] = MAY(JOB_SENT) | MAY(JOB_SETTLING) | MAY(JOB_RETURNING) | MAY(JOB_LOST),
    [JOB_SENT] = MAY(JOB_HELD) | MAY(JOB_RUNNING) | MAY(JOB_SETTLING) | MAY(JOB_LOST),
    [JOB_RUNNING] = MAY(JOB_SETTLING) | MAY(JOB_LOST),
    [JOB_SETTLING] = MAY(JOB_LOST),
    [JOB_RETURNING] = MAY(JOB_SETTLING) | MAY(JOB_LOST),
    [JOB_LOST] = 0,
};

struct job *job_new(const char *server, uint64_t id, const char *body, size_t size)
{
    struct job *job = mem_resize(NULL, sizeof *job + size + 1);
    *job = (struct job){.state = JOB_HELD, .references = 1, .server = server, .id = id, .size = size};
    list_init(&job->in_consumer);
    list_init(&job->place);
    memcpy(job->body, body, size);
    job->body[size] = '\0';
    return job;
}

uint64_t job_limit_ms(const struct job *job)
{
    if (job->timeout_ms)
        return job->timeout_ms;
    return job->stats ? job->stats->ttr_s * UINT64_C(1000) : 0;
}

void job_hold(struct job *job)
{
    job->references++;
}

void job_free(struct job *job)
{
    if (--job->references)
        return;
    list_remove(&job->in_consumer);
    list_remove(&job->place);
    if (job->outcome) {
        free(job->outcome->reason);
        free(job->outcome->traceback);
    }
    free(job->outcome);
    free(job->progress);
    free(job->locks);
    job_version_release(job->version);
    envelope_free(&job->envelope);
    free(job->stats);
    free(job);
}

struct job_version *job_version_new(const char *text)
{
    size_t size = strlen(text) + 1;
    struct job_version *version = mem_new(sizeof *version + size);
    version->references = 1;
    memcpy(version->text, text, size);
    return version;
}

void job_version_release(struct job_version *version)
{
    if (version && --version->references == 0)
        free(version);
}

void job_set_version(struct job *job, struct job_version *version)
{
    if (job->version == version)
        return;
    job_version_release(job->version);
    job->version = version;
    if (version)
        version->references++;
}

void job_add_lock(struct job *job, const char *name)
{
    size_t old = 0, size = strlen(name) + 1;
    for (const char *lock = job->locks; lock && *lock; lock += strlen(lock) + 1)
        old += strlen(lock) + 1;
    job->locks = mem_resize(job->locks, old + size + 1);
    memcpy(job->locks + old, name, size);
    job->locks[old + size] = '\0';
}

void job_set_outcome(struct job *job, enum policy_outcome kind, uint32_t delay_s, const char *reason,
    size_t reason_size, const char *traceback, size_t traceback_size)
{
    if (job->outcome)
        return;
    job->outcome = mem_new(sizeof *job->outcome);
    *job->outcome = (struct job_outcome){
        kind, delay_s, mem_copy(reason, reason_size), mem_copy(traceback, traceback_size), reason_size, traceback_size};
}

struct policy_decision job_decide(const struct job *job, bool cannot_store, uint32_t random)
{
    const struct policy_input input = {
        .outcome = job->outcome ? job->outcome->kind : POLICY_SUCCEEDED,
        .delay_s = job->outcome ? job->outcome->delay_s : 0,
        .bury = job->envelope.bury,
        .retry = job->retry,
        .cancelled = job->cancelled,
        .buries = job->stats ? job->stats->buries : 0,
        .random = random,
        .cannot_store = cannot_store,
    };
    return policy_decide(&input);
}

char **job_callbacks(const struct job *job, const struct policy_decision *decision)
{
    if (!job->outcome)
        return job->envelope.success;
    // A retry is no end yet, a body that is no envelope names nobody.
    bool kept = decision->verb == POLICY_BURY || decision->verb == POLICY_DELETE;
    bool final = decision->failure && kept && job->outcome->kind != POLICY_NO_ENVELOPE;
    return final ? job->envelope.error : NULL;
}

void job_move(struct job *job, enum job_state state)
{
    assert(moves[job->state] & MAY(state));
    job->state = state;
}
