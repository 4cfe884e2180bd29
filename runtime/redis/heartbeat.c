#include "redis/heartbeat.h"

#include "base/json.h"
#include "base/memory.h"
#include "log/log.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SOONEST_MS = 100,
    SWEEP_EVERY_MS = 3600 * 1000,
    WEEK_S = 7 * 24 * 3600,
    MISSED = 3, // beats, until a worker counts as gone
    JSON_DEPTH = 16
};

struct heartbeat {
    struct redis *redis;
    const struct config *config;
    const char *id, *instance;
    struct heartbeat_events events;
    char *key, *version_key;
    uv_timer_t timer;
    bool soon;           // the timer is set for a change
    bool stands;         // our field is there
    uint64_t written_ms; // when the field was
    uint64_t beaten_ms;  // the last regular one
    char twin[40];       // the other instance that was warned about
    uint64_t swept_ms;   // when the last sweep ended
    char cursor[24];     // of the sweep; "": none is under way
};

/* ---- fields of the dead ---- */

static bool is_old(const redisReply *value)
{
    struct error error;
    struct json *json = json_parse(value->str, value->len, JSON_DEPTH, &error);
    int64_t then = json_as_integer(json_member(json, "timestamp"), INT64_MAX);
    json_free(json);
    return then < time(NULL) - WEEK_S;
}

static void remove_old(struct heartbeat *heartbeat, const redisReply *pairs)
{
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        struct redis_command command = {0};
        if (!is_old(pairs->element[i + 1]))
            continue;
        redis_word(&command, "HDEL");
        redis_word(&command, heartbeat->key);
        redis_bytes(&command, pairs->element[i]->str, pairs->element[i]->len);
        redis_send(heartbeat->redis, "heartbeat", &command, NULL, NULL);
    }
}

static void on_swept(void *context, const redisReply *reply)
{
    struct heartbeat *heartbeat = context;
    *heartbeat->cursor = '\0';
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY || reply->element[0]->len >= sizeof heartbeat->cursor)
        return;
    remove_old(heartbeat, reply->element[1]);
    if (strcmp(reply->element[0]->str, "0") == 0)
        heartbeat->swept_ms = uv_now(heartbeat->timer.loop);
    else
        memcpy(heartbeat->cursor, reply->element[0]->str, reply->element[0]->len + 1);
}

/* A few fields with each beat, so that thousands are no stumbling block. */
static void sweep(struct heartbeat *heartbeat)
{
    struct redis_command command = {0};
    if (heartbeat->swept_ms && uv_now(heartbeat->timer.loop) - heartbeat->swept_ms < SWEEP_EVERY_MS)
        return;
    redis_word(&command, "HSCAN");
    redis_word(&command, heartbeat->key);
    redis_word(&command, *heartbeat->cursor ? heartbeat->cursor : "0");
    redis_word(&command, "COUNT");
    redis_word(&command, "100");
    redis_send(heartbeat->redis, "heartbeat", &command, on_swept, heartbeat);
}

/* ---- a twin ---- */

/* What stands in our field is of another instance that is alive. */
static void on_own(void *context, const redisReply *reply)
{
    struct heartbeat *heartbeat = context;
    struct error error;
    if (!reply || reply->type != REDIS_REPLY_STRING)
        return;
    struct json *json = json_parse(reply->str, reply->len, JSON_DEPTH, &error);
    const char *other = json_as_text(json_member(json, "instanceHash"), NULL);
    const char *status = json_as_text(json_member(json, "status"), NULL);
    const char *host = json_as_text(json_member(json, "host"), NULL);
    int64_t age_s = time(NULL) - json_as_integer(json_member(json, "timestamp"), 0);
    bool lives = age_s <= MISSED * (int64_t)(heartbeat->config->heartbeat.every_ms / 1000 + 1);
    if (other && status && lives && strcmp(other, heartbeat->instance) != 0 && strcmp(status, "stopped") != 0 &&
        strncmp(other, heartbeat->twin, sizeof heartbeat->twin - 1) != 0) {
        strncpy(heartbeat->twin, other, sizeof heartbeat->twin - 1);
        LOG(LEVEL_WARNING,
            "another worker has the id {worker}: give each its own number or --name; their heartbeats overwrite each "
            "other",
            F_TEXT("worker", heartbeat->id), F_TEXT("other", heartbeat->twin), F_TEXT("host", host ? host : ""),
            F_NUMBER("pid", (uint64_t)json_as_integer(json_member(json, "pid"), 0)));
    }
    json_free(json);
}

/* ---- beats ---- */

static void on_version(void *context, const redisReply *reply)
{
    struct heartbeat *heartbeat = context;
    if (reply && reply->type == REDIS_REPLY_STRING)
        heartbeat->events.version(heartbeat->events.context, reply->str, reply->len);
    else if (reply && reply->type == REDIS_REPLY_NIL)
        heartbeat->events.version(heartbeat->events.context, NULL, 0);
}

static void ask(struct heartbeat *heartbeat, const char *purpose, const char *verb, const char *key, const char *field,
    redis_done *done)
{
    struct redis_command command = {0};
    redis_word(&command, verb);
    redis_word(&command, key);
    if (field)
        redis_word(&command, field);
    redis_send(heartbeat->redis, purpose, &command, done, heartbeat);
}

static void on_written(void *context, const redisReply *reply)
{
    struct heartbeat *heartbeat = context;
    heartbeat->stands |= reply && reply->type == REDIS_REPLY_INTEGER;
}

static void write_field(struct heartbeat *heartbeat)
{
    struct buffer json = {0};
    struct redis_command command = {0};
    heartbeat->events.describe(heartbeat->events.context, &json);
    redis_word(&command, "HSET");
    redis_word(&command, heartbeat->key);
    redis_word(&command, heartbeat->id);
    redis_bytes(&command, buffer_data(&json), buffer_size(&json));
    redis_send(heartbeat->redis, "heartbeat", &command, on_written, heartbeat);
    buffer_free(&json);
    heartbeat->written_ms = uv_now(heartbeat->timer.loop);
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct heartbeat *heartbeat)
{
    uint64_t now = uv_now(heartbeat->timer.loop), due = heartbeat->beaten_ms + heartbeat->config->heartbeat.every_ms;
    heartbeat->soon = false;
    uv_timer_start(&heartbeat->timer, on_timer, due > now ? due - now : 0, 0);
}

static void beat(struct heartbeat *heartbeat)
{
    heartbeat->beaten_ms = uv_now(heartbeat->timer.loop);
    if (!redis_up(heartbeat->redis))
        return;
    heartbeat->events.beat(heartbeat->events.context);
    // What stands there before our first one is of our former life, be it that it was killed a moment ago.
    if (heartbeat->stands)
        ask(heartbeat, "heartbeat", "HGET", heartbeat->key, heartbeat->id, on_own);
    write_field(heartbeat);
    ask(heartbeat, "version", "GET", heartbeat->version_key, NULL, on_version);
    sweep(heartbeat);
}

static void on_timer(uv_timer_t *timer)
{
    struct heartbeat *heartbeat = timer->data;
    if (uv_now(timer->loop) >= heartbeat->beaten_ms + heartbeat->config->heartbeat.every_ms)
        beat(heartbeat);
    else if (redis_up(heartbeat->redis))
        write_field(heartbeat);
    schedule(heartbeat);
}

void heartbeat_up(struct heartbeat *heartbeat)
{
    beat(heartbeat);
    schedule(heartbeat);
}

void heartbeat_changed(struct heartbeat *heartbeat)
{
    uint64_t now = uv_now(heartbeat->timer.loop), due = heartbeat->written_ms + SOONEST_MS;
    uint64_t beat_ms = heartbeat->beaten_ms + heartbeat->config->heartbeat.every_ms;
    if (heartbeat->soon || due >= beat_ms)
        return;
    heartbeat->soon = true;
    uv_timer_start(&heartbeat->timer, on_timer, due > now ? due - now : 0, 0);
}

struct heartbeat *heartbeat_new(uv_loop_t *loop, struct redis *redis, const struct config *config, const char *id,
    const char *instance, const struct heartbeat_events *events)
{
    struct heartbeat *heartbeat = mem_new(sizeof *heartbeat);
    heartbeat->redis = redis;
    heartbeat->config = config;
    heartbeat->id = id;
    heartbeat->instance = instance;
    heartbeat->events = *events;
    heartbeat->key = redis_key(redis, "", config->heartbeat.key);
    heartbeat->version_key = redis_key(redis, "", config->reload.key);
    heartbeat->beaten_ms = uv_now(loop);
    uv_timer_init(loop, &heartbeat->timer);
    heartbeat->timer.data = heartbeat;
    schedule(heartbeat);
    return heartbeat;
}

void heartbeat_end(struct heartbeat *heartbeat)
{
    if (redis_up(heartbeat->redis))
        write_field(heartbeat);
    uv_close((uv_handle_t *)&heartbeat->timer, NULL);
}

void heartbeat_free(struct heartbeat *heartbeat)
{
    free(heartbeat->key);
    free(heartbeat->version_key);
    free(heartbeat);
}
