#ifndef LUNASTALK_COMMAND_FAULTS_H
#define LUNASTALK_COMMAND_FAULTS_H
/* The last failure of each job out of the index in Redis (redis/failed.h), as far as it matches. */
#include "base/buffer.h"
#include "redis/failed.h"

/* NULL and 0: anything. */
struct faults_filter {
    const char *id, *name, *tube, *instance;
    const char *match; // in the error or the traceback, in any case
    uint64_t since_ms; // unix time
    uint64_t most;     // jobs
    bool whole;        // all entries of each job are listed in `entries`, which takes reading all of the index
};

struct fault {
    uint64_t at_ms;             // unix time
    char *field[FAILED_FIELDS]; // never NULL
    struct buffer entries;      // the job's entries in the index, the newest first; each ends with NUL
};

struct faults {
    struct fault **list; // the newest first
    size_t count;
    bool cut; // there are more than `most`
    const struct faults_filter *filter;
    void *seen; // tsearch(3)'s tree of jobs
};

/* 0, or -1 and `error` (redis/client.h). Freed with faults_free() in both cases. */
int faults_read(
    struct faults *faults, struct redis_client *redis, const struct faults_filter *filter, struct error *error);
void faults_free(struct faults *faults);

#endif
