#ifndef LUNASTALK_WORKER_STATUS_H
#define LUNASTALK_WORKER_STATUS_H
/*
 * What the worker tells through Redis: its heartbeat, what failed, what became of jobs; and what it hears there: a new
 * version, jobs to cancel. Without redis.server there is no status (NULL), which every call bears.
 */
#include "base/error.h"
#include "job/job.h"

struct status;
struct worker;

/* -1 and the reason in `error`: the password cannot be read. *status is NULL where no Redis is configured. */
int status_new(struct status **status, struct worker *worker, struct error *error);
/* The end of each loop turn. */
void status_turn(struct status *status);
/* The worker begins to stop, or a reload was refused: what the next beat tells is another thing. */
void status_changed(struct status *status);
/* The handlers were loaded anew. */
void status_loaded(struct status *status);
/* A job was reserved. */
void status_reserved(struct status *status);
/* A job has ended well; or with that outcome, its stats known. Before its verb is sent. */
void status_done(struct status *status, struct job *job);
void status_ended(struct status *status, struct job *job, const struct policy_decision *decision);
void status_lost(struct status *status, struct job *job);
/* job:once(): takes `name` for the job. done(context, first, problem) once; what a job took is given back unless it ends well. */
void status_once(struct status *status, struct job *job, const char *name, unsigned ttl_s,
    void (*done)(void *context, bool first, const char *problem), void *context);
/* The worker has stopped: says so, and closes. Frees when the loop has run out and status_free() was called. */
void status_close(struct status *status);
void status_free(struct status *status);

#endif
