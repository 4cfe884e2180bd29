#ifndef LUNASTALK_LOG_HELD_H
#define LUNASTALK_LOG_HELD_H
/*
 * What a sink with `buffer: true` holds back: records below its level, in a ring per job, until it is known how the job
 * ended. Of one job the last 100 records and 64 KB, of all 4 MB and 512 jobs: the
 * oldest go.
 */
#include "log/sink.h"

struct held;

struct held *held_new(void);
void held_free(struct held *held);
/* A copy of the record, which is of that job. */
void held_add(struct held *held, uint64_t job, const struct sink_record *record);
/* The job has ended: its records go, in their order, each through take(context, record) first unless that is NULL. */
void held_end(
    struct held *held, uint64_t job, void (*take)(void *context, const struct sink_record *record), void *context);

#endif
