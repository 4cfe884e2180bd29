#ifndef LUNASTALK_REDIS_FAILED_H
#define LUNASTALK_REDIS_FAILED_H
/*
 * Reading the index of failures, the stream `lunastalk.failed`: one entry per failed attempt, written by the workers.
 * For the commands; calls fail as redis/client.h says.
 */
#include "redis/client.h"

#include <stddef.h>
#include <stdint.h>

enum failed_field {
    FAILED_SERVER,
    FAILED_INSTANCE, // of that beanstalkd, as its stats say
    FAILED_ID,       // beanstalkd's
    FAILED_NAME,
    FAILED_TUBE,
    FAILED_ATTEMPT,
    FAILED_STATE, // buried, retrying, deleted
    FAILED_DELAY,
    FAILED_ERROR,
    FAILED_TRACEBACK, // with the handler's last records when it died
    FAILED_RUNTIME,
    FAILED_WORKER,
    FAILED_RECORD, // the envelope's id
    FAILED_FIELDS
};

extern const char *const failed_names[FAILED_FIELDS];

struct failed_entry {
    const char *entry;                // its id in the stream
    uint64_t at_ms;                   // unix time
    const char *field[FAILED_FIELDS]; // never NULL; "" where the entry has none
};

/* False: that was enough. The entry lives until it returns. */
typedef bool failed_visit(void *context, const struct failed_entry *entry);

/* Visits the entries from `since_ms` (unix time) on, the newest first. */
int failed_each(
    struct redis_client *client, uint64_t since_ms, failed_visit *visit, void *context, struct error *error);
/* Removes one entry; that it is gone already is no error. */
int failed_remove(struct redis_client *client, const char *entry, struct error *error);

#endif
