#include "redis/locks.h"

#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "once:"

struct taking {
    struct redis *redis;
    char *key, *holder;
    unsigned ttl_s;
    locks_done *done;
    void *context;
};

static void finish(struct taking *taking, bool first, const char *problem)
{
    taking->done(taking->context, first, problem);
    free(taking->key);
    free(taking->holder);
    free(taking);
}

static void on_taken(void *context, const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_STATUS)
        finish(context, true, NULL);
    else if (reply && reply->type == REDIS_REPLY_NIL)
        finish(context, false, NULL);
    else
        finish(context, false, reply && reply->type == REDIS_REPLY_ERROR ? reply->str : "no answer");
}

static void on_ready(void *context, bool up)
{
    struct taking *taking = context;
    char ttl[16];
    struct redis_command command = {0};
    snprintf(ttl, sizeof ttl, "%u", taking->ttl_s);
    redis_word(&command, "SET");
    redis_word(&command, taking->key);
    redis_word(&command, taking->holder);
    redis_word(&command, "NX");
    redis_word(&command, "EX");
    redis_word(&command, ttl);
    if (!up || !redis_send(taking->redis, "once", &command, on_taken, taking))
        finish(taking, false, "not connected");
}

void locks_take(
    struct redis *redis, const char *name, const char *holder, unsigned ttl_s, locks_done *done, void *context)
{
    struct taking *taking = mem_new(sizeof *taking);
    *taking =
        (struct taking){redis, redis_key(redis, PREFIX, name), mem_copy(holder, strlen(holder)), ttl_s, done, context};
    redis_when_up(redis, on_ready, taking);
}

void locks_give_back(struct backlog *backlog, struct redis *redis, const char *name, const char *holder)
{
    char *key = redis_key(redis, PREFIX, name);
    struct redis_command command = {0};
    redis_word(&command, "EVAL");
    redis_word(&command, "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end");
    redis_word(&command, "1");
    redis_word(&command, key);
    redis_word(&command, holder);
    backlog_add(backlog, "once", &command, 0);
    free(key);
}
