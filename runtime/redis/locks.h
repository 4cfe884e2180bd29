#ifndef LUNASTALK_REDIS_LOCKS_H
#define LUNASTALK_REDIS_LOCKS_H
/*
 * job:once(): the first job that takes a key has it until its time is over, or until the job fails. A run that ended well
 * marks it: a later run of the same job then is not the first. One that meets an unmarked key of an earlier run of its own
 * job waits up to five seconds: that run has lost the job and is being stopped, or it was killed, and nobody knows.
 */
#include "redis/backlog.h"

struct locks;

/* A run of a job. */
struct locks_holder {
    char text[512];
    size_t job_size; // the first bytes of `text`, which are the same for all runs of the job
};

struct locks *locks_new(uv_loop_t *loop, struct redis *redis, struct backlog *backlog);

/*
 * Takes `name`. done(context, first, problem) once, possibly at once; problem NULL: `first` tells whether nobody else had
 * it. With a problem nothing is known: nobody may go on as if it were the first, or as if it were not, and it may have been
 * taken all the same.
 */
typedef void locks_done(void *context, bool first, const char *problem);
void locks_take(struct locks *locks, const char *name, const struct locks_holder *holder, unsigned ttl_s,
    locks_done *done, void *context);
/* The run has ended: marks it, or gives it back, if it is still the holder's; later, when Redis is away. */
void locks_end(struct locks *locks, const char *name, const struct locks_holder *holder, bool well);

/* Ends what waits with a problem; before redis_close(). */
void locks_close(struct locks *locks);
/* After the loop has run out. */
void locks_free(struct locks *locks);

#endif
