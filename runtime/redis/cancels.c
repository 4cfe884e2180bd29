#include "redis/cancels.h"

#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { WHO_MOST = 200 };

struct look {
    struct redis *redis;
    uint64_t id;
    char *key;
    cancels_found *found;
    void *context;
};

static void on_answer(void *context, const redisReply *reply)
{
    struct look *look = context;
    struct redis_command command = {0};
    if (reply && reply->type == REDIS_REPLY_STRING &&
        look->found(look->context, look->id, reply->str, reply->len < WHO_MOST ? reply->len : WHO_MOST)) {
        redis_word(&command, "DEL");
        redis_word(&command, look->key);
        redis_send(look->redis, "cancel", &command, NULL, NULL);
    }
    free(look->key);
    free(look);
}

void cancels_look(struct redis *redis, const char *instance, uint64_t id, cancels_found *found, void *context)
{
    char name[128];
    struct redis_command command = {0};
    struct look *look = mem_new(sizeof *look);
    snprintf(name, sizeof name, CANCELS_KEY, instance, (unsigned long long)id);
    *look = (struct look){redis, id, redis_key(redis, "", name), found, context};
    redis_word(&command, "GET");
    redis_word(&command, look->key);
    if (redis_send(redis, "cancel", &command, on_answer, look))
        return;
    free(look->key);
    free(look);
}
