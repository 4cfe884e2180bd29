#ifndef LUNASTALK_REDIS_LOCKS_H
#define LUNASTALK_REDIS_LOCKS_H
/*
 * job:once(): the first job that takes a key has it until its time is over, or until the job fails. A run that ended well
 * marks it: a later run of the same job then is not the first, while one that meets an unmarked key of an earlier run of
 * its own job knows nothing: that run may still be at it, or was killed.
 */
#include "redis/backlog.h"

/*
 * Takes `name` for `holder`, whose first `job_size` bytes are the same for all runs of a job. done(context, first, problem)
 * once, possibly at once; problem NULL: `first` tells whether nobody else had it. With a problem nothing is known: nobody
 * may go on as if it were the first, or as if it were not, and it may have been taken all the same.
 */
struct locks_holder {
    char text[512]; // the run
    size_t job_size;
};
typedef void locks_done(void *context, bool first, const char *problem);
void locks_take(struct redis *redis, const char *name, const struct locks_holder *holder, unsigned ttl_s,
    locks_done *done, void *context);
/* The run has ended: marks it, or gives it back, if it is still the holder's; later, when Redis is away. */
void locks_end(
    struct backlog *backlog, struct redis *redis, const char *name, const struct locks_holder *holder, bool well);

#endif
