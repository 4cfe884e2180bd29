#ifndef LUNASTALK_REDIS_RECORDS_H
#define LUNASTALK_REDIS_RECORDS_H
/*
 * What became of a job that its producer gave an id: a hash that ends records.ttl after its last change. The fields are told
 * to others in scripts/producers/README.md.
 */
#include "redis/backlog.h"

struct record {
    const char *state;                // queued, running, retrying, done, buried, released, lost
    const char *id;                   // the envelope's
    const char *name, *tube, *server; // tube may be NULL: not known
    uint64_t job;                     // beanstalkd's id
    unsigned attempt;                 // 0: not known; then the one after the last that failed
    const char *worker;
    const char *error;
    size_t error_size;
    const char *progress; // JSON, or NULL
    uint64_t runtime_ns;
};

struct records_options {
    const char *prefix; // redis.prefix and records.prefix
    unsigned ttl_s;
};

void records_update(struct backlog *backlog, const struct records_options *options, const struct record *record);

#endif
