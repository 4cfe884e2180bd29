#ifndef LUNASTALK_WORKER_WORKER_H
#define LUNASTALK_WORKER_WORKER_H
/*
 * The running worker: wires queue, executors and callbacks together. One thread, one loop; returns when it has stopped.
 */
#include "config/config.h"

#include <stdint.h>

struct worker_options {
    const char *executor; // the executor's binary
    unsigned number;      // N of `lunastalk run N`
    uint64_t run_s;       // stop after so many seconds; 0: never
    uint64_t max_jobs;    // stop after so many jobs; 0: never
    bool stop_when_empty; // stop when no job is ready
};

enum worker_result {
    WORKER_DONE, // stopped as asked; no job was cut short
    WORKER_CUT,  // jobs still ran at the end of the grace period (or at the second signal): they are back in the queue
    WORKER_REFUSED, // the handlers do not load, or the callbacks' secret cannot be read
};

/* Runs until it is told to stop by signal or by its options. SIGPIPE must be ignored and the log open. */
enum worker_result worker_run(const struct config *config, const struct worker_options *options);

#endif
