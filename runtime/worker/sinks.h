#ifndef LUNASTALK_WORKER_SINKS_H
#define LUNASTALK_WORKER_SINKS_H
/*
 * The sinks of the log that need a connection: a list in Redis (redis/sink_redis.h) and mail (mailer.h). Beside a
 * worker, or without one (`lunastalk log-test`).
 */
#include "base/list.h"
#include "redis/connection.h"
#include "transfer/loop.h"
#include "worker/identity.h"

struct sinks {
    uv_loop_t *loop;
    const struct identity *identity;
    struct redis *redis;             // NULL: none yet, none configured, or it closes
    struct transfer_loop *transfers; // NULL before the first mail, and after the last
    struct list mailers;
    uv_timer_t deadline; // of the last mails
    bool stopping;
};

/* Gives them to the log: before log_open(). `identity` is that of the worker. */
void sinks_open(struct sinks *sinks, uv_loop_t *loop, const struct identity *identity);
/* The connection, which the worker opens and closes; NULL before it is closed. */
void sinks_connect(struct sinks *sinks, struct redis *redis);
/*
 * What waits to be mailed is mailed, for which there are `limit_ms`; the loop runs as long. Before sinks_connect(NULL):
 * the connection goes on to answer until it is closed.
 */
void sinks_stop(struct sinks *sinks, unsigned limit_ms);

/* mailer.c: a mailer has nothing left to do. */
void sinks_mailed(struct sinks *sinks);

#endif
