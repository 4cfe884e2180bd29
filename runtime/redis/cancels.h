#ifndef LUNASTALK_REDIS_CANCELS_H
#define LUNASTALK_REDIS_CANCELS_H
/* `lunastalk cancel` sets a key for the job; the worker that runs it looks with each heartbeat, and deletes it. */
#include "redis/connection.h"

#define CANCELS_KEY "lunastalk.cancel:%s:%llu" // beanstalkd's instance, the job's id; behind redis.prefix

/* Whether the job was stopped: then the key is deleted, which tells whoever asked. */
typedef bool cancels_found(void *context, uint64_t id, const char *who, size_t size);

/* found() when there is a key for this job; `instance` is that of its beanstalkd. */
void cancels_look(struct redis *redis, const char *instance, uint64_t id, cancels_found *found, void *context);

#endif
