#ifndef LUNASTALK_REDIS_FAILURES_H
#define LUNASTALK_REDIS_FAILURES_H
/*
 * What failed: a stream, one entry per failed attempt of any job, its last ten thousand or so. `lunastalk failed` reads
 * it; the fields are told to others in scripts/producers/README.md.
 */
#include "redis/backlog.h"

struct failure {
    const char *server, *instance; // instance: beanstalkd's id of its process; with `id` the job's identity
    uint64_t id;
    const char *name, *tube, *state; // state: buried, retrying, deleted
    unsigned attempt;
    uint32_t delay_s; // retrying
    const char *error, *traceback;
    size_t error_size, traceback_size;
    uint64_t runtime_ns;
    const char *worker;
    const char *record; // the id of its envelope, or ""
};

#define FAILURES_KEY "lunastalk.failed"

void failures_add(struct backlog *backlog, const char *key, const struct failure *failure);

#endif
