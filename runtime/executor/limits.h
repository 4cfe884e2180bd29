#ifndef LUNASTALK_EXECUTOR_LIMITS_H
#define LUNASTALK_EXECUTOR_LIMITS_H
/* What a job may: whether there is a handler for it, how long it may run, how often it is tried again. Pure. */
#include "config/config.h"
#include "executor/handlers.h"
#include "job/job.h"

/*
 * Sets `retry` and `timeout_ms` of a job whose envelope was read: its word counts before the handler's, and that before the
 * configuration's. 0; or -1, the outcome that it has unrun in `refusal`, and why.
 */
int limits_set(struct job *job, const struct handlers *handlers, const struct config *config,
    enum policy_outcome *refusal, struct error *why);

#endif
