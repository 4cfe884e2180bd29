#ifndef LUNASTALK_REDIS_LOCKS_H
#define LUNASTALK_REDIS_LOCKS_H
/* job:once(): the first job that takes a key has it until its time is over, or until the job fails. */
#include "redis/backlog.h"

/*
 * Takes `name` for `holder`. done(context, first, problem) once, possibly at once; problem NULL: `first` tells whether nobody
 * had it. With a problem nothing is known: nobody may go on as if it were the first, and it may have been taken all the same.
 */
typedef void locks_done(void *context, bool first, const char *problem);
void locks_take(
    struct redis *redis, const char *name, const char *holder, unsigned ttl_s, locks_done *done, void *context);
/* Gives it back, if it is still the holder's; later, when Redis is away. */
void locks_give_back(struct backlog *backlog, struct redis *redis, const char *name, const char *holder);

#endif
