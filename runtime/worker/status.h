#ifndef LUNASTALK_WORKER_STATUS_H
#define LUNASTALK_WORKER_STATUS_H
/*
 * What the worker tells through Redis: its heartbeat, what failed, what became of jobs; and what it hears there: a new
 * version, jobs to cancel. Without redis.server there is no status (NULL), which every call bears.
 */
#include "job/job.h"

struct status;
struct worker;

/* NULL where no Redis is configured. `password` is redis.password, "": none. */
struct status *status_new(struct worker *worker, const char *password);
/* The end of each loop turn. */
void status_turn(struct status *status);
/* The worker begins to stop: what the next beat tells is another thing. */
void status_changed(struct status *status);
/* A reload begins to load the handlers; it has; it was refused, `loading` or before. */
void status_loading(struct status *status);
void status_loaded(struct status *status);
void status_refused(struct status *status, bool loading);
/* The version of the handlers that serve, for a job that is sent to them; NULL: not known. */
struct job_version *status_version(const struct status *status);
/* A job was reserved. */
void status_reserved(struct status *status);
/* A job has ended well; or with that outcome, its stats known. Before its verb is sent. */
void status_done(struct status *status, struct job *job);
void status_ended(struct status *status, struct job *job, const struct policy_decision *decision);
void status_lost(struct status *status, struct job *job);
/* job:once(): takes `name` for the job. done(context, first, problem) once. */
void status_once(struct status *status, struct job *job, const char *name, unsigned ttl_s,
    void (*done)(void *context, bool first, const char *problem), void *context);
/* The job's handler has ended: marks what it took with job:once() as done, or gives it back. Once. */
void status_end_locks(struct status *status, struct job *job);
/* The worker has stopped: says so, and closes. Frees when the loop has run out and status_free() was called. */
void status_close(struct status *status);
void status_free(struct status *status);

#endif
