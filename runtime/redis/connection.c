#include "redis/connection.h"

#include "base/address.h"
#include "base/backoff.h"
#include "base/list.h"
#include "base/memory.h"
#include "config/secret.h"
#include "log/log.h"
#include "redis/adapter.h"
#include "redis/trouble.h"

#include <fcntl.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPLY_LIMIT_MS = 2000,
    CLOSE_LIMIT_MS = 500,
    RETRY_FIRST_MS = 100,
    RETRY_CAP_MS = 5000, // so that it is back within ten seconds
    TROUBLE_LASTS_MS = 10 * 1000,
    PENDING_MOST = 2000,
    PENDING_BYTES = 4 * 1024 * 1024
};

struct redis {
    uv_loop_t *loop;
    const struct config *config;
    char password[SECRET_ROOM];
    void (*on_up)(void *);
    void *context;
    enum { REDIS_DOWN, REDIS_RESOLVING, REDIS_CONNECTING, REDIS_UP } state;
    bool closing;
    unsigned handles;
    redisAsyncContext *async; // NULL while DOWN and RESOLVING
    uv_getaddrinfo_t *query;  // while RESOLVING
    uv_timer_t retry;         // while DOWN
    uv_timer_t limit;         // for the oldest of `pending`, or for all until it is UP
    struct backoff backoff;
    unsigned tries;      // picks among the addresses of a name
    bool tried;          // a first try has begun
    struct list waiting; // for the end of the present try
    struct list pending;
    size_t pending_count, pending_bytes;
    struct trouble trouble;
};

static const char CONNECTING[] = "connecting";

struct pending {
    struct list place;
    struct redis *redis;
    char what[64]; // purpose and verb, or CONNECTING
    uint64_t sent_ms;
    size_t size;
    redis_done *done;
    void *context;
};

struct waiting {
    struct list place;
    redis_ready *then;
    void *context;
};

static void on_retry(uv_timer_t *timer);

bool redis_up(const struct redis *redis)
{
    return redis->state == REDIS_UP;
}

char *redis_key(const struct redis *redis, const char *prefix, const char *name)
{
    const char *first = redis->config->redis.prefix;
    size_t size = strlen(first) + strlen(prefix) + strlen(name) + 1;
    char *key = mem_new(size);
    snprintf(key, size, "%s%s%s", first, prefix, name);
    return key;
}

/* ---- who waits for a connection ---- */

static void tell_waiting(struct redis *redis, bool up)
{
    for (struct list *link = redis->waiting.next, *after; link != &redis->waiting; link = after) {
        struct waiting *waiting = list_entry(link, struct waiting, place);
        after = link->next;
        waiting->then(waiting->context, up); // nobody waits anew: there is no try under way
        free(waiting);
    }
    list_init(&redis->waiting);
}

void redis_when_up(struct redis *redis, redis_ready *then, void *context)
{
    bool trying = !redis->closing && redis->state != REDIS_UP && (redis->state != REDIS_DOWN || !redis->tried);
    if (!trying) {
        then(context, redis_up(redis));
        return;
    }
    struct waiting *waiting = mem_new(sizeof *waiting);
    *waiting = (struct waiting){.then = then, .context = context};
    list_insert(&redis->waiting, &waiting->place);
}

/* ---- the end of a connection ---- */

static void fall(struct redis *redis, const char *why)
{
    unsigned delay_ms = backoff_next_ms(&redis->backoff);
    // The loss of a connection is no trouble yet: whether Redis is, and what it says itself, the next try tells.
    if (why && redis->state == REDIS_UP)
        LOG(LEVEL_INFO, "the connection to redis at {server} is lost: {why}",
            F_TEXT("server", redis->config->redis.server), F_TEXT("why", why));
    else if (why && !redis->closing)
        trouble_warn(&redis->trouble, redis->config->redis.server, CONNECTING, why, uv_now(redis->loop));
    redis->state = REDIS_DOWN;
    redis->async = NULL;
    uv_timer_stop(&redis->limit);
    uv_timer_start(&redis->retry, on_retry, redis->closing ? 0 : delay_ms, 0);
    tell_waiting(redis, false);
}

/* Not from within one of hiredis' callbacks. */
static void drop(struct redis *redis, const char *why)
{
    redisAsyncContext *async = redis->async;
    fall(redis, why);
    if (!async)
        return;
    async->data = NULL; // its callbacks have nothing more to say of the connection
    redisAsyncFree(async);
}

static void on_limit(uv_timer_t *timer)
{
    struct redis *redis = timer->data;
    uint64_t now = uv_now(redis->loop), due = now;
    if (redis->state == REDIS_UP) {
        if (list_empty(&redis->pending))
            return;
        due = list_entry(redis->pending.next, struct pending, place)->sent_ms + REPLY_LIMIT_MS;
    }
    if (due > now)
        uv_timer_start(timer, on_limit, due - now, 0);
    else if (redis->query)
        uv_cancel((uv_req_t *)redis->query);
    else
        drop(redis, "no answer within 2 s");
}

/* ---- commands ---- */

static void judge(struct redis *redis, const struct pending *pending, const redisReply *reply)
{
    const char *server = redis->config->redis.server;
    if (reply && reply->type == REDIS_REPLY_ERROR)
        trouble_warn(&redis->trouble, server, pending->what, reply->str, uv_now(redis->loop));
    else if (reply && strcmp(pending->what, CONNECTING) != 0) // that works when all of its commands have
        trouble_over(&redis->trouble, server, pending->what, uv_now(redis->loop));
}

static void on_reply(redisAsyncContext *async, void *answer, void *data)
{
    struct pending *pending = data;
    struct redis *redis = pending->redis;
    const redisReply *reply = answer;
    (void)async;
    list_remove(&pending->place);
    redis->pending_count--;
    redis->pending_bytes -= pending->size;
    judge(redis, pending, reply);
    if (pending->done)
        pending->done(pending->context, reply);
    free(pending);
    if (redis->closing && !redis->pending_count)
        uv_timer_start(&redis->retry, on_retry, 0, 0);
}

static bool send_command(
    struct redis *redis, const char *purpose, const struct redis_command *command, redis_done *done, void *context)
{
    struct pending *pending = mem_new(sizeof *pending);
    *pending = (struct pending){.redis = redis, .sent_ms = uv_now(redis->loop), .done = done, .context = context};
    if (purpose)
        snprintf(pending->what, sizeof pending->what, "%s %.*s", purpose, (int)command->sizes[0], command->words[0]);
    else
        snprintf(pending->what, sizeof pending->what, "%s", CONNECTING);
    for (int i = 0; i < command->count; i++)
        pending->size += command->sizes[i];
    if (redisAsyncCommandArgv(redis->async, on_reply, pending, command->count, (const char **)command->words,
            command->sizes) != REDIS_OK) {
        free(pending);
        return false;
    }
    list_insert(&redis->pending, &pending->place);
    redis->pending_count++;
    redis->pending_bytes += pending->size;
    if (!uv_is_active((uv_handle_t *)&redis->limit))
        uv_timer_start(&redis->limit, on_limit, REPLY_LIMIT_MS, 0);
    return true;
}

bool redis_send(
    struct redis *redis, const char *purpose, const struct redis_command *command, redis_done *done, void *context)
{
    return redis_up(redis) && redis->pending_count < PENDING_MOST && redis->pending_bytes < PENDING_BYTES &&
           send_command(redis, purpose, command, done, context);
}

/* ---- the beginning of one ---- */

/* An error among the answers to AUTH, SELECT and PING ends the connection; the answer to PING is the last. */
static void on_greeted(void *context, const redisReply *reply)
{
    struct redis *redis = context;
    bool last = list_empty(&redis->pending);
    if (redis->state != REDIS_CONNECTING || !reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        redis->state = REDIS_DOWN; // fall() follows, by on_disconnected()
        redisAsyncDisconnect(redis->async);
    } else if (last) {
        redis->state = REDIS_UP;
        backoff_reset(&redis->backoff);
        trouble_over(&redis->trouble, redis->config->redis.server, CONNECTING, uv_now(redis->loop));
        if (!redis->closing)
            redis->on_up(redis->context);
        tell_waiting(redis, true);
    }
}

static void greet(struct redis *redis)
{
    char db[16];
    struct redis_command auth = {0}, select = {0}, ping = {0};
    const char *user = redis->config->redis.user, *password = redis->password;
    if (*password) {
        redis_word(&auth, "AUTH");
        if (user)
            redis_word(&auth, user);
        redis_word(&auth, password);
        send_command(redis, NULL, &auth, on_greeted, redis);
    }
    if (redis->config->redis.db) {
        snprintf(db, sizeof db, "%u", redis->config->redis.db);
        redis_word(&select, "SELECT");
        redis_word(&select, db);
        send_command(redis, NULL, &select, on_greeted, redis);
    }
    redis_word(&ping, "PING");
    send_command(redis, NULL, &ping, on_greeted, redis);
}

static void on_connected(const redisAsyncContext *async, int status)
{
    struct redis *redis = async->data;
    if (redis && status != REDIS_OK)
        fall(redis, async->errstr); // hiredis frees the context
    else if (redis)
        greet(redis);
}

static void on_disconnected(const redisAsyncContext *async, int status)
{
    struct redis *redis = async->data;
    if (redis)
        fall(redis, status == REDIS_OK ? NULL : async->errstr);
}

/* `address` NULL: a unix socket. */
static void connect_to(struct redis *redis, const char *address, int port)
{
    const char *path = address_path(redis->config->redis.server);
    redisAsyncContext *async = address ? redisAsyncConnect(address, port) : redisAsyncConnectUnix(path);
    uv_timer_start(&redis->limit, on_limit, REPLY_LIMIT_MS, 0);
    if (!async || async->err || adapter_attach(async, redis->loop) != 0) {
        fall(redis, async && async->err ? async->errstr : "no memory");
        if (async)
            redisAsyncFree(async);
        return;
    }
    fcntl(async->c.fd, F_SETFD, FD_CLOEXEC);
    async->data = redis;
    redis->async = async;
    redis->state = REDIS_CONNECTING;
    redisAsyncSetConnectCallback(async, on_connected);
    redisAsyncSetDisconnectCallback(async, on_disconnected);
}

/* The next of the addresses with each try: of a name with several, one may be well. */
static void use_addresses(struct redis *redis, const struct addrinfo *first)
{
    char text[ADDRESS_HOST];
    int port = address_nth(first, redis->tries++, text);
    connect_to(redis, text, port);
}

static void on_resolved(uv_getaddrinfo_t *query, int status, struct addrinfo *found)
{
    struct redis *redis = query->data;
    free(query);
    redis->query = NULL;
    if (status != 0 || redis->closing)
        fall(redis, status == UV_ECANCELED ? "no answer within 2 s" : status ? uv_strerror(status) : NULL);
    else
        use_addresses(redis, found);
    uv_freeaddrinfo(found);
}

/* A numeric address needs no resolver, whose threads would be the only ones of the process. */
static void resolve(struct redis *redis)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    address_split(redis->config->redis.server, host, port); // the configuration has accepted it
    if (getaddrinfo(host, port, &hints, &found) == 0) {
        use_addresses(redis, found);
        freeaddrinfo(found);
        return;
    }
    hints.ai_flags = 0;
    redis->state = REDIS_RESOLVING;
    redis->query = mem_new(sizeof *redis->query);
    redis->query->data = redis;
    int status = uv_getaddrinfo(redis->loop, redis->query, on_resolved, host, port, &hints);
    if (status == 0)
        return;
    free(redis->query);
    redis->query = NULL;
    fall(redis, uv_strerror(status));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis *redis = handle->data;
    if (--redis->handles == 0)
        free(redis);
}

static void end(struct redis *redis)
{
    tell_waiting(redis, false);
    drop(redis, NULL);
    uv_close((uv_handle_t *)&redis->retry, on_timer_closed);
    uv_close((uv_handle_t *)&redis->limit, on_timer_closed);
}

static void on_retry(uv_timer_t *timer)
{
    struct redis *redis = timer->data;
    if (redis->closing) {
        if (redis->query)
            uv_cancel((uv_req_t *)redis->query); // or it is on its way: fall() brings us back here
        else
            end(redis);
        return;
    }
    redis->tried = true;
    uv_timer_start(&redis->limit, on_limit, REPLY_LIMIT_MS, 0);
    if (address_path(redis->config->redis.server))
        connect_to(redis, NULL, 0);
    else
        resolve(redis);
}

struct redis *redis_new(
    uv_loop_t *loop, const struct config *config, const char *password, void (*on_up)(void *), void *context)
{
    struct redis *redis = mem_new(sizeof *redis);
    *redis = (struct redis){.loop = loop, .config = config, .on_up = on_up, .context = context, .handles = 2};
    snprintf(redis->password, sizeof redis->password, "%s", password);
    uint64_t beats_ms = 3 * (uint64_t)config->heartbeat.every_ms;
    redis->trouble.lasts_ms = beats_ms > TROUBLE_LASTS_MS ? beats_ms : TROUBLE_LASTS_MS;
    redis->backoff = (struct backoff){.first_ms = RETRY_FIRST_MS, .cap_ms = RETRY_CAP_MS};
    list_init(&redis->pending);
    list_init(&redis->waiting);
    uv_timer_init(loop, &redis->retry);
    uv_timer_init(loop, &redis->limit);
    redis->retry.data = redis->limit.data = redis;
    uv_timer_start(&redis->retry, on_retry, 0, 0);
    return redis;
}

void redis_close(struct redis *redis)
{
    redis->closing = true;
    uv_timer_start(&redis->retry, on_retry, redis->pending_count && redis->state == REDIS_UP ? CLOSE_LIMIT_MS : 0, 0);
}
