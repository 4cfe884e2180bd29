#ifndef LUNASTALK_REDIS_HASH_H
#define LUNASTALK_REDIS_HASH_H
/*
 * Hashes of Redis (heartbeats, job records) for the commands. Names and values are bytes of others, NUL-terminated, and
 * live until hash_free(). Keys are given without redis.prefix. Calls fail as redis/client.h says.
 */
#include "redis/client.h"

#include <stddef.h>
#include <stdint.h>

struct hash {
    struct redisReply *reply;
    size_t count;
};

/* All fields; none when there is no such key. */
int hash_read(struct redis_client *client, const char *key, struct hash *hash, struct error *error);
void hash_free(struct hash *hash);
/* `size` may be NULL. */
const char *hash_name(const struct hash *hash, size_t index, size_t *size);
const char *hash_value(const struct hash *hash, size_t index, size_t *size);
/* The value of the field, or NULL. */
const char *hash_get(const struct hash *hash, const char *name);

/*
 * Makes it with `fields` (name, value, … NULL) for `ttl_s`, at once or not at all: not when it has a field of the first
 * name. `made` tells.
 */
enum { HASH_FIELDS_MOST = 16 };
int hash_create(struct redis_client *client, const char *key, const char *const fields[HASH_FIELDS_MOST],
    uint32_t ttl_s, bool *made, struct error *error);
int hash_remove(struct redis_client *client, const char *key, const char *name, bool *found, struct error *error);

#endif
