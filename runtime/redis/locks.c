#include "redis/locks.h"

#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "once:"

struct taking {
    locks_done *done;
    void *context;
};

static void on_taken(void *context, const redisReply *reply)
{
    struct taking taking = *(struct taking *)context;
    free(context);
    if (reply && reply->type == REDIS_REPLY_STATUS)
        taking.done(taking.context, true, NULL);
    else if (reply && reply->type == REDIS_REPLY_NIL)
        taking.done(taking.context, false, NULL);
    else
        taking.done(taking.context, false, reply ? reply->str : "no answer");
}

void locks_take(
    struct redis *redis, const char *name, const char *holder, unsigned ttl_s, locks_done *done, void *context)
{
    char ttl[16], *key = redis_key(redis, PREFIX, name);
    struct redis_command command = {0};
    struct taking *taking = mem_new(sizeof *taking);
    *taking = (struct taking){done, context};
    snprintf(ttl, sizeof ttl, "%u", ttl_s);
    redis_word(&command, "SET");
    redis_word(&command, key);
    redis_word(&command, holder);
    redis_word(&command, "NX");
    redis_word(&command, "EX");
    redis_word(&command, ttl);
    bool sent = redis_send(redis, "once", &command, on_taken, taking);
    free(key);
    if (sent)
        return;
    free(taking);
    done(context, false, "not connected");
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
    backlog_add(backlog, "once", &command);
    free(key);
}
