#include "redis/digests.h"

#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * KEYS: the hash, the mark · ARGV: the groups, seconds between mails. What nobody fetches within a day is let go. The
 * table `by` of a group has the workers that had it as keys, of which the taker gets the number.
 */
static const char put[] = "local hash, others = KEYS[1], 0 "
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
                          "        new.count = old.count + new.count "
                          "        new.first, new.last = math.min(old.first, new.first), math.max(old.last, new.last) "
                          "      end "
                          "      redis.call('HSET', hash, field, cjson.encode(new)) "
                          "    end "
                          "  end "
                          "end "
                          "if others > 0 then redis.call('HINCRBY', hash, 'others', others) end "
                          "if redis.call('EXISTS', hash) == 0 then return {0, 0} end "
                          "redis.call('EXPIRE', hash, 86400) "
                          "if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[2]) then "
                          "  local left = redis.call('PTTL', KEYS[2]) " // 0 in its last millisecond
                          "  if left < 0 then redis.call('EXPIRE', KEYS[2], ARGV[2]) left = ARGV[2] * 1000 end "
                          "  return {0, math.max(left, 1)} "
                          "end "
                          "local all, fields = {1, 0}, redis.call('HGETALL', hash) "
                          "for i = 1, #fields, 2 do "
                          "  if fields[i] == 'others' then all[#all + 1] = '{\"others\":' .. fields[i + 1] .. '}' else "
                          "    local group = cjson.decode(fields[i + 1]) "
                          "    group.workers = 0 "
                          "    for _ in pairs(group.by) do group.workers = group.workers + 1 end "
                          "    group.by = nil "
                          "    all[#all + 1] = cjson.encode(group) "
                          "  end "
                          "end "
                          "redis.call('DEL', hash) "
                          "return all";

struct asking {
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
    asking->done(asking->context, &answer);
    free(groups);
    free(asking);
}

bool digests_put(struct redis *redis, const char *key, unsigned interval_s, const char *groups, size_t size,
    digests_done *done, void *context)
{
    char seconds[16], *mark = mark_of(key);
    struct redis_command command = {0};
    struct asking *asking = mem_new(sizeof *asking);
    *asking = (struct asking){done, context};
    snprintf(seconds, sizeof seconds, "%u", interval_s);
    redis_word(&command, "EVAL");
    redis_word(&command, put);
    redis_word(&command, "2");
    redis_word(&command, key);
    redis_word(&command, mark);
    redis_bytes(&command, groups, size);
    redis_word(&command, seconds);
    bool sent = redis_send(redis, "mail", &command, on_answer, asking);
    if (!sent)
        free(asking);
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
