#ifndef LUNASTALK_WORKER_BEAT_H
#define LUNASTALK_WORKER_BEAT_H
/* What a heartbeat says (its fields: scripts/producers/README.md), and what is measured for it. */
#include "base/buffer.h"
#include "job/job.h"
#include "redis/locks.h"
#include "worker/version.h"

struct worker;

struct beat {
    uint64_t started_ns, reserved_ns; // clock_ns(); reserved_ns 0: nothing yet
    uint64_t measured_ns, measured_jobs;
    double rate; // jobs/s between the last two regular beats
};

void beat_open(struct beat *beat);
/* With each regular beat. */
void beat_measure(struct beat *beat, const struct worker *worker);
void beat_describe(
    const struct beat *beat, const struct worker *worker, const struct version *version, struct buffer *json);
/* Who holds what a job takes with job:once(): this reservation of it. */
struct locks_holder beat_holder(const struct worker *worker, const struct job *job);

#endif
