#include "executor/limits.h"

#include "executor/wire.h"

static void set(struct job *job, const struct handler *handler, const struct config *config)
{
    const struct envelope *envelope = &job->envelope;
    job->retry.max = handler->retry_max != WIRE_UNSET ? handler->retry_max : config->jobs.retry.max;
    job->retry.delay_s = handler->retry_delay_s != WIRE_UNSET ? handler->retry_delay_s : config->jobs.retry.delay_s;
    if (envelope->retry_max >= 0)
        job->retry.max = (unsigned)envelope->retry_max;
    if (envelope->retry_delay_s >= 0)
        job->retry.delay_s = (unsigned)envelope->retry_delay_s;
    job->timeout_ms = handler->timeout_ms ? handler->timeout_ms : config->jobs.timeout_ms;
    if (envelope->timeout_s)
        job->timeout_ms = envelope->timeout_s * UINT64_C(1000);
}

int limits_set(struct job *job, const struct handlers *handlers, const struct config *config,
    enum policy_outcome *refusal, struct error *why)
{
    const struct envelope *envelope = &job->envelope;
    if (envelope->timeout_s > config->jobs.max_timeout_s) {
        *refusal = POLICY_NO_ENVELOPE;
        return error_set(why, "\"timeout\" is over jobs.max_timeout, %u s", config->jobs.max_timeout_s);
    }
    const struct handler *handler = handlers_find(handlers, envelope->name);
    if (handler) {
        set(job, handler, config);
        return 0;
    }
    const char *closest = handlers_suggest(handlers, envelope->name);
    *refusal = POLICY_UNKNOWN_NAME;
    return error_set(why, "there is no handler \"%s\"%s%s%s", envelope->name,
        closest ? "; did its producer mean \"" : "", closest ? closest : "", closest ? "\"?" : "");
}
