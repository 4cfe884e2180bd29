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
#include <stdint.h>

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
    char id[ENVELOPE_ID_LONGEST + 1];     // of the job's record; "": none
    bool bury;                            // error.bury
    int64_t retry_max, retry_delay_s;     // -1: not given
    uint32_t timeout_s;                   // 0: not given
    char **success, **error;              // URLs to call, ended by NULL; NULL: none
};

/*
 * 0, or -1 and why the body is no envelope (then it holds nothing to free). What later issues read is checked already: a
 * producer learns at once.
 */
int envelope_parse(struct envelope *envelope, const char *body, size_t size, struct error *error);

void envelope_free(struct envelope *envelope);

/* [a-z0-9_]+ segments joined by dots, none beginning with '_', not below "lib": the names that handlers can have. */
bool envelope_name_valid(const char *name, size_t size);
/* Whether it can be an envelope's id. */
bool envelope_id_valid(const char *id, size_t size);

#endif
