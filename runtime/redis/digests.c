#include "redis/digests.h"

#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * KEYS: the hash, the mark, what was taken · ARGV: the groups, seconds between mails (0: all is taken now). What nobody
 * fetches within a day is let go. The table `by` of a group has the workers that had it as keys; `workers` is how many
 * had it before it came back from a mail that was refused.
 */
static const char put[] = "local hash, mark, taken, interval, others = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[2]), 0 "
                          "for _, new in ipairs(cjson.decode(ARGV[1])) do "
                          "  if new.others then others = others + new.others else "
                          "    local field = cjson.encode({new.level, new.channel, new.message}) "
                          "    local old = redis.call('HGET', hash, field) "
                          "    if not old and redis.call('HLEN', hash) >= 50 then others = others + new.count else "
                          "      new.by = {[new.worker] = true} "
                          "      if old then "
                          "        old = cjson.decode(old) "
                          "        old.by[new.worker] = true "
                          "        new.by, new.shown, new.line = old.by, old.shown, old.line "
                          "        new.workers = math.max(old.workers or 1, new.workers) "
                          "        new.count = old.count + new.count "
                          "        new.first, new.last = math.min(old.first, new.first), math.max(old.last, new.last) "
                          "      end "
                          "      redis.call('HSET', hash, field, cjson.encode(new)) "
                          "    end "
                          "  end "
                          "end "
                          "if others > 0 then redis.call('HINCRBY', hash, 'others', others) end "
                          "if redis.call('EXISTS', hash, taken) == 0 then return {0, 0} end "
                          "redis.call('EXPIRE', hash, 86400) "
                          "if interval > 0 and not redis.call('SET', mark, '1', 'NX', 'EX', interval) then "
                          "  local left, most = redis.call('PTTL', mark), interval * 1000 " // 0 in its last millisecond
                          "  if left < 0 or left > most then redis.call('EXPIRE', mark, interval) left = most end "
                          "  return {0, math.max(left, 1)} "
                          "end "
                          "local fields = redis.call('HGETALL', hash) "
                          "for i = 1, #fields, 2 do "
                          "  local group = '{\"others\":' .. fields[i + 1] .. '}' "
                          "  if fields[i] ~= 'others' then "
                          "    local workers = 0 "
                          "    group = cjson.decode(fields[i + 1]) "
                          "    for _ in pairs(group.by) do workers = workers + 1 end "
                          "    group.workers, group.by = math.max(group.workers or 1, workers), nil "
                          "    group = cjson.encode(group) "
                          "  end "
                          "  redis.call('RPUSH', taken, group) "
                          "end "
                          "redis.call('DEL', hash) "
                          "redis.call('EXPIRE', taken, 86400) "
                          "local all = {1, 0} "
                          "for _, group in ipairs(redis.call('LRANGE', taken, 0, -1)) do all[#all + 1] = group end "
                          "return all";

struct asking {
    struct redis *redis;
    char *taken; // its key
    digests_done *done;
    void *context;
};

static char *mark_of(const char *key)
{
    return mem_printf("%s:sent", key);
}

static bool is_number(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0;
}

/* The first `count` have come: those of another taker are behind them. */
static void forget_taken(const struct asking *asking, size_t count)
{
    char first[24];
    struct redis_command command = {0};
    snprintf(first, sizeof first, "%zu", count);
    redis_word(&command, "LTRIM");
    redis_word(&command, asking->taken);
    redis_word(&command, first);
    redis_word(&command, "-1");
    redis_send(asking->redis, "mail", &command, NULL, NULL);
}

static void free_asking(struct asking *asking)
{
    free(asking->taken);
    free(asking);
}

static void on_answer(void *context, const redisReply *reply)
{
    struct asking *asking = context;
    struct digests_answer answer = {0};
    const char **groups = NULL;
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 && is_number(reply->element[0]) &&
        is_number(reply->element[1])) {
        groups = mem_new(reply->elements * sizeof *groups);
        answer.known = true;
        answer.taken = reply->element[0]->integer == 1;
        answer.wait_ms = (uint64_t)reply->element[1]->integer;
        for (size_t i = 2; i < reply->elements; i++)
            if (reply->element[i]->type == REDIS_REPLY_STRING)
                groups[answer.count++] = reply->element[i]->str;
        answer.groups = groups;
    }
    if (answer.taken)
        forget_taken(asking, answer.count);
    asking->done(asking->context, &answer);
    free(groups);
    free_asking(asking);
}

bool digests_put(struct redis *redis, const char *key, unsigned interval_s, const char *groups, size_t size,
    digests_done *done, void *context)
{
    char seconds[16], *mark = mark_of(key);
    struct redis_command command = {0};
    struct asking *asking = mem_new(sizeof *asking);
    *asking = (struct asking){redis, mem_printf("%s:taken", key), done, context};
    snprintf(seconds, sizeof seconds, "%u", interval_s);
    redis_word(&command, "EVAL");
    redis_word(&command, put);
    redis_word(&command, "3");
    redis_word(&command, key);
    redis_word(&command, mark);
    redis_word(&command, asking->taken);
    redis_bytes(&command, groups, size);
    redis_word(&command, seconds);
    bool sent = redis_send(redis, "mail", &command, on_answer, asking);
    if (!sent)
        free_asking(asking);
    free(mark);
    return sent;
}

void digests_put_off(struct redis *redis, const char *key, unsigned seconds)
{
    char text[16], *mark = mark_of(key);
    struct redis_command command = {0};
    snprintf(text, sizeof text, "%u", seconds);
    redis_word(&command, "EXPIRE");
    redis_word(&command, mark);
    redis_word(&command, text);
    redis_send(redis, "mail", &command, NULL, NULL);
    free(mark);
}
