#include "redis/hash.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hash_read(struct redis_client *client, const char *key, struct hash *hash, struct error *error)
{
    char *name = redis_client_key(client, key);
    hash->reply = redis_client_ask(client, REDIS_REPLY_ARRAY, (const char *[]){"HGETALL", name, NULL}, error);
    hash->count = hash->reply ? hash->reply->elements / 2 : 0;
    free(name);
    return hash->reply ? 0 : -1;
}

void hash_free(struct hash *hash)
{
    if (hash->reply)
        freeReplyObject(hash->reply);
    *hash = (struct hash){0};
}

static const char *element(const struct hash *hash, size_t at, size_t *size)
{
    const redisReply *value = hash->reply->element[at];
    if (size)
        *size = value->str ? value->len : 0;
    return value->str ? value->str : "";
}

const char *hash_name(const struct hash *hash, size_t index, size_t *size)
{
    return element(hash, 2 * index, size);
}

const char *hash_value(const struct hash *hash, size_t index, size_t *size)
{
    return element(hash, 2 * index + 1, size);
}

const char *hash_get(const struct hash *hash, const char *name)
{
    for (size_t i = 0; i < hash->count; i++)
        if (strcmp(hash_name(hash, i, NULL), name) == 0)
            return hash_value(hash, i, NULL);
    return NULL;
}

/* A command on `key`, its word number `at`, whose answer is 1 or 0. */
static int change(
    struct redis_client *client, const char **words, size_t at, const char *key, bool *changed, struct error *error)
{
    char *whole = redis_client_key(client, key);
    words[at] = whole;
    redisReply *reply = redis_client_ask(client, REDIS_REPLY_INTEGER, words, error);
    free(whole);
    if (!reply)
        return -1;
    *changed = reply->integer > 0;
    freeReplyObject(reply);
    return 0;
}

int hash_remove(struct redis_client *client, const char *key, const char *name, bool *found, struct error *error)
{
    const char *words[] = {"HDEL", NULL, name, NULL};
    return change(client, words, 1, key, found, error);
}

int hash_create(struct redis_client *client, const char *key, const char *const fields[HASH_FIELDS_MOST],
    uint32_t ttl_s, bool *made, struct error *error)
{
    static const char script[] = "if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end "
                                 "redis.call('HSET', KEYS[1], unpack(ARGV, 2)) "
                                 "return redis.call('EXPIRE', KEYS[1], ARGV[1])";
    char ttl[16];
    const char *words[5 + HASH_FIELDS_MOST + 1] = {"EVAL", script, "1", NULL, ttl};
    snprintf(ttl, sizeof ttl, "%u", ttl_s);
    for (size_t i = 0; i < HASH_FIELDS_MOST && fields[i]; i++)
        words[5 + i] = fields[i];
    return change(client, words, 3, key, made, error);
}
