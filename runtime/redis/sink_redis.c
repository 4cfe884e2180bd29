#include "redis/sink_redis.h"

#include "base/clock.h"
#include "base/memory.h"
#include "log/kept.h"
#include "redis/connection.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS_MOST = REDIS_WORDS - 2, BATCH_BYTES = 256 * 1024, RETRY_NS = 1000 * 1000 * 1000 };

struct list_sink {
    struct sink *sink;
    struct redis *const *redis;
    char *name, *key; // without the prefix; with it, once there was a connection
    unsigned max;
    struct kept kept;
    struct redis *busy;   // where a batch is on its way; NULL: there is none
    uint64_t retry_at_ns; // after a refusal
    bool closing;
};

static void configure(void *state, const struct config_sink *config)
{
    ((struct list_sink *)state)->max = config->max;
}

static void *open_list(void *context, const struct config_sink *config, struct sink *sink)
{
    struct list_sink *list = mem_new(sizeof *list);
    list->sink = sink;
    list->redis = context;
    list->name = mem_copy(config->key, strlen(config->key));
    configure(list, config);
    return list;
}

static void free_list(struct list_sink *list)
{
    sink_lost("redis", list->name, kept_lost(&list->kept));
    buffer_free(&list->kept.lines);
    free(list->name);
    free(list->key);
    free(list);
}

static void send_batch(struct list_sink *list, struct redis *redis);

static void on_pushed(void *context, const struct redisReply *reply)
{
    struct list_sink *list = context;
    struct redis *redis = list->busy;
    size_t sent = list->kept.begun;
    list->busy = NULL;
    list->kept.begun = 0;
    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        unsigned long long records = kept_count(buffer_data(&list->kept.lines), sent);
        buffer_consume(&list->kept.lines, sent);
        if (!list->closing)
            sink_wrote(list->sink, records, kept_take_dropped(&list->kept));
        send_batch(list, redis); // now: a connection that closes does so when nothing is on its way
    } else if (reply && !list->closing) {
        list->retry_at_ns = clock_ns() + RETRY_NS;
        sink_counts_failure(list->sink, reply->type == REDIS_REPLY_ERROR ? reply->str : "an unknown answer");
    }
    if (list->closing && !list->busy)
        free_list(list);
}

static void trim(const struct list_sink *list, struct redis *redis)
{
    char first[16];
    struct redis_command command = {0};
    snprintf(first, sizeof first, "-%u", list->max);
    redis_word(&command, "LTRIM");
    redis_word(&command, list->key);
    redis_word(&command, first);
    redis_word(&command, "-1");
    redis_send(redis, "log", &command, NULL, NULL);
}

static void send_batch(struct list_sink *list, struct redis *redis)
{
    struct redis_command command = {0};
    const char *data = buffer_data(&list->kept.lines);
    size_t size = kept_whole(&list->kept, BATCH_BYTES), used = 0;
    if (!size)
        return;
    if (!list->key)
        list->key = redis_key(redis, "", list->name);
    redis_word(&command, "RPUSH");
    redis_word(&command, list->key);
    for (int i = 0; i < RECORDS_MOST && used < size; i++) {
        size_t line = (size_t)((const char *)memchr(data + used, '\n', size - used) - (data + used));
        redis_bytes(&command, data + used, line);
        used += line + 1;
    }
    if (!redis_send(redis, "log", &command, on_pushed, list))
        return;
    list->busy = redis;
    list->kept.begun = used;
    trim(list, redis);
}

static void take(void *state, const struct sink_record *record)
{
    struct list_sink *list = state;
    kept_add(&list->kept, record->line, record->line_size);
}

static bool flush(void *state)
{
    struct list_sink *list = state;
    struct redis *redis = *list->redis;
    if (!buffer_size(&list->kept.lines) || list->busy || !redis || !redis_up(redis))
        return false;
    if (clock_ns() < list->retry_at_ns)
        return true;
    send_batch(list, redis);
    return !list->busy;
}

static void close_list(void *state)
{
    struct list_sink *list = state;
    list->closing = true;
    if (!list->busy)
        free_list(list);
}

const struct sink_class sink_redis = {
    .open = open_list, .configure = configure, .take = take, .flush = flush, .close = close_list};
