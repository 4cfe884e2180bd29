#ifndef LUNASTALK_REDIS_KEY_H
#define LUNASTALK_REDIS_KEY_H
/* Whole keys of Redis for the commands, given without redis.prefix. Calls fail as redis/client.h says. */
#include "redis/client.h"

#include <stdint.h>

/* `ttl_s` 0: for ever. Whatever was there is replaced. */
int key_set(struct redis_client *client, const char *key, const char *value, uint32_t ttl_s, struct error *error);
int key_exists(struct redis_client *client, const char *key, bool *found, struct error *error);
int key_delete(struct redis_client *client, const char *key, bool *found, struct error *error);

#endif
