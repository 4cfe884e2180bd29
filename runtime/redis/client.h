#ifndef LUNASTALK_REDIS_CLIENT_H
#define LUNASTALK_REDIS_CLIENT_H
/*
 * What the commands (status, failed, record …) need of Redis: calls that wait for their answer. command/ opens and
 * closes it and asks through hash.h, key.h and failed.h; the worker has a connection of its own. Every call that can
 * fail returns -1, or NULL, with `error` filled: which server, what was asked, what it said. An answer has 5 s to come;
 * after a lost connection every further call fails at once.
 */
#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

struct redis_client;
struct redisReply;

/*
 * Connects as config->redis says (its server must be set), logs in unless the password is "", selects the database,
 * checks that it answers.
 */
struct redis_client *redis_client_open(const struct config *config, const char *password, struct error *error);
/* NULL is no mistake. */
void redis_client_close(struct redis_client *client);
bool redis_client_lost(const struct redis_client *client);

/* For this room. `name` behind redis.prefix; freed with free(). */
char *redis_client_key(const struct redis_client *client, const char *name);
/*
 * For this room. Sends the words (ends with NULL) and waits for an answer of that type (REDIS_REPLY_…); freed with
 * freeReplyObject(). Any other answer is an error.
 */
struct redisReply *redis_client_ask(
    struct redis_client *client, int type, const char *const *words, struct error *error);

#endif
