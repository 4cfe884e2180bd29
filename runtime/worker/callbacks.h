#ifndef LUNASTALK_WORKER_CALLBACKS_H
#define LUNASTALK_WORKER_CALLBACKS_H
/*
 * Callbacks are jobs: before a job's last verb is sent, one job per URL of its envelope is put on callbacks.tube, over
 * the same connection, so a crash in between can only repeat a callback (with the same webhook-id) and never lose one.
 * What beanstalkd refuses is posted from memory, once. deliveries.h posts what stands in the tube.
 */
#include "job/job.h"

struct worker;

typedef void callbacks_done(struct worker *worker, struct job *job, const struct policy_decision *decision);

/*
 * Calls then() once the callbacks of that decision are put: at once when there are none, and never when the job is lost
 * in the meantime. The job has its reservation, and its stats unless it has no callbacks.
 */
void callbacks_before(
    struct worker *worker, struct job *job, const struct policy_decision *decision, callbacks_done *then);

#endif
