#include "redis/key.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

static int ask(struct redis_client *client, int type, const char *command, const char *key, const char *argument,
    const char *more, const char *most, bool *found, struct error *error)
{
    char *whole = redis_client_key(client, key);
    const char *words[] = {command, whole, argument, more, most, NULL};
    redisReply *reply = redis_client_ask(client, type, words, error);
    free(whole);
    if (!reply)
        return -1;
    *found = reply->integer > 0;
    freeReplyObject(reply);
    return 0;
}

int key_set(struct redis_client *client, const char *key, const char *value, uint32_t ttl_s, struct error *error)
{
    char seconds[16];
    bool ignored;
    snprintf(seconds, sizeof seconds, "%u", ttl_s);
    return ask(client, REDIS_REPLY_STATUS, "SET", key, value, ttl_s ? "EX" : NULL, seconds, &ignored, error);
}

int key_exists(struct redis_client *client, const char *key, bool *found, struct error *error)
{
    return ask(client, REDIS_REPLY_INTEGER, "EXISTS", key, NULL, NULL, NULL, found, error);
}

int key_delete(struct redis_client *client, const char *key, bool *found, struct error *error)
{
    return ask(client, REDIS_REPLY_INTEGER, "DEL", key, NULL, NULL, NULL, found, error);
}
