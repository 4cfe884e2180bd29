#ifndef LUNASTALK_REDIS_DIGESTS_H
#define LUNASTALK_REDIS_DIGESTS_H
/*
 * What the workers of a pool would each write a mail about, put together under one key: whoever comes first when a mail
 * is due takes all of it. The hash KEY has a group of records per field (log/digest.h), KEY:sent is there for as long as
 * no further mail is to be sent. What is taken is in the list KEY:taken until its taker has it: the next one gets what a
 * stalled Redis gave to a closed connection.
 */
#include "redis/connection.h"

/*
 * The answer. `taken`: a mail is due, and the groups in `groups`, JSON each, are now the caller's alone. Else no mail is due
 * for `wait_ms`, or nothing is left (0). `known` false: Redis did not answer, and nobody knows.
 */
struct digests_answer {
    bool known, taken;
    uint64_t wait_ms;
    const char *const *groups; // `count`, NUL-terminated; theirs until done() returns
    size_t count;
};

typedef void digests_done(void *context, const struct digests_answer *answer);

/*
 * Adds `groups`, a JSON array (which is copied), and asks. `interval_s` 0: a mail is due, whenever the last one was. False,
 * and done() is not called: it cannot be sent.
 */
bool digests_put(struct redis *redis, const char *key, unsigned interval_s, const char *groups, size_t size,
    digests_done *done, void *context);
/* A mail was sent, or could not be: another may follow in so many seconds. */
void digests_put_off(struct redis *redis, const char *key, unsigned seconds);

#endif
