#ifndef LUNASTALK_REDIS_CONNECTION_H
#define LUNASTALK_REDIS_CONNECTION_H
/*
 * The worker's connection to Redis: beside the work, never in its way. Connects, and connects again, by itself; nothing
 * here blocks, waits for ever or grows without bound.
 *
 *   DOWN ──timer──▶ RESOLVING ──▶ CONNECTING ──AUTH, SELECT, PING──▶ UP
 *    ▲                  └──────────────┴──fault, no answer in 2 s──────┘
 *
 * Each command gets exactly one completion. What Redis refuses, and an absent Redis, is one warning until it is well again.
 */
#include "config/config.h"
#include "redis/command.h"

#include <uv.h>

struct redis;
struct redisReply;

/* A NULL reply: there is no answer, and whether the command was carried out is not known. NULL: nobody wants to know. */
typedef void redis_done(void *context, const struct redisReply *reply);

/*
 * `on_up(context)` each time when commands can be sent. The configuration lives as long as the connection; `password` ("":
 * none) is copied.
 */
struct redis *redis_new(
    uv_loop_t *loop, const struct config *config, const char *password, void (*on_up)(void *), void *context);

bool redis_up(const struct redis *redis);
/* For what cannot be done later: then(context, up) once, now, or when the connection that is being made is up or has failed. */
typedef void redis_ready(void *context, bool up);
void redis_when_up(struct redis *redis, redis_ready *then, void *context);
/* A key with the prefix of the configuration, freed by the caller. */
char *redis_key(const struct redis *redis, const char *prefix, const char *name);

/*
 * Sends it. `purpose` ("heartbeat") names it in the warning when Redis refuses it; a constant. False, and done() is not
 * called: the connection is not up, or has too much unanswered already.
 */
bool redis_send(
    struct redis *redis, const char *purpose, const struct redis_command *command, redis_done *done, void *context);

/*
 * Closes when everything is answered, after half a second at most; frees it. Until then it sends. `on_up` is not called
 * again.
 */
void redis_close(struct redis *redis);

#endif
