#ifndef LUNASTALK_JOB_ENVELOPE_H
#define LUNASTALK_JOB_ENVELOPE_H
/*
 * The envelope: the common structure of every job body, read strictly.
 *
 *   { "job": "send_email", "data": …, "success": {"callback": …}, "error": {"bury": true, "callback": …},
 *     "id": "…", "retry": {"max": 5, "delay": 10}, "timeout": 30 }
 *
 * PHP's empty array reads as an empty object, null for an optional key as absent, an empty callback as none. Unknown
 * keys are ignored. Pure: bytes in, a struct out; the body itself is never changed and goes to the handler as it is.
 */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    ENVELOPE_DEPTH = 64,
    ENVELOPE_NAME_LONGEST = 128,
    ENVELOPE_ID_LONGEST = 128,
    ENVELOPE_CALLBACKS_MOST = 10,
    ENVELOPE_RETRIES_MOST = 1000,
    ENVELOPE_DELAY_MOST_S = 86400,
};

struct envelope {
    char name[ENVELOPE_NAME_LONGEST + 1]; // the handler's
    bool bury;                            // error.bury
};

/* 0, or -1 and why the body is no envelope. What later issues read is checked already: a producer learns at once. */
int envelope_parse(struct envelope *envelope, const char *body, size_t size, struct error *error);

/* [a-z0-9_]+ segments joined by dots, none beginning with '_', not below "lib": the names that handlers can have. */
bool envelope_name_valid(const char *name, size_t size);

#endif
