#ifndef LUNASTALK_WORKER_DELIVERIES_H
#define LUNASTALK_WORKER_DELIVERIES_H
/*
 * Posts callbacks: those that stand as jobs in callbacks.tube, which are reserved on connections of their own,
 * callbacks.concurrency at a time; and those from memory that beanstalkd would not take. Nothing here touches the job
 * that a callback tells of.
 */
#include "base/error.h"

#include <stdbool.h>

struct deliveries;
struct webhook;
struct worker;

/* NULL and the reason in `error`: the secret cannot be read. */
struct deliveries *deliveries_new(struct worker *worker, struct error *error);
/* From now on it serves the tube, if callbacks.serve says so. */
void deliveries_start(struct deliveries *deliveries);
/* At the end of each loop turn: waits for more, and writes. */
void deliveries_flush(struct deliveries *deliveries);
/* Posts from memory, once. Takes what the webhook holds. */
void deliveries_post(struct deliveries *deliveries, struct webhook *webhook);
/* Takes no more from the tube; what is under way goes on. */
void deliveries_stop(struct deliveries *deliveries);
/* Nothing is under way. */
bool deliveries_idle(const struct deliveries *deliveries);
/* Ends what is under way; callback jobs are ready again. Frees when the loop has run out. */
void deliveries_close(struct deliveries *deliveries);

#endif
