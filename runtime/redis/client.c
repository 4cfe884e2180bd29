#include "redis/client.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_LIMIT_MS = 5000, WORDS_MOST = 16 };

struct redis_client {
    redisContext *context;
    const char *server, *prefix; // of the configuration
    bool lost;
};

static int lose(struct redis_client *client, const char *why, struct error *error)
{
    client->lost = true;
    return error_set(error, "Redis at %s: %s", client->server, why);
}

static int fail_context(struct redis_client *client, struct error *error)
{
    const redisContext *context = client->context;
    bool late = context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EINPROGRESS);
    return lose(client, late ? "no answer within 5 s" : context->errstr, error);
}

static redisContext *dial(const char *server)
{
    const struct timeval limit = {.tv_sec = ANSWER_LIMIT_MS / 1000};
    char host[ADDRESS_HOST], port[ADDRESS_PORT] = "0";
    if (address_path(server))
        return redisConnectUnixWithTimeout(address_path(server), limit);
    address_split(server, host, port); // the configuration has accepted it
    return redisConnectWithTimeout(host, atoi(port), limit);
}

/* Waits until something can be read; a server that drips has no longer than one that is silent. */
static int wait_readable(struct redis_client *client, uint64_t deadline_ns, struct error *error)
{
    struct pollfd socket = {.fd = client->context->fd, .events = POLLIN};
    int ready = -1;
    for (uint64_t now = clock_ns(); ready < 0 && now < deadline_ns; now = clock_ns())
        ready = poll(&socket, 1, (int)((deadline_ns - now) / 1000000) + 1);
    return ready > 0 ? 0 : lose(client, "no answer within 5 s", error);
}

static redisReply *exchange(struct redis_client *client, struct error *error)
{
    uint64_t deadline_ns = clock_ns() + ANSWER_LIMIT_MS * (uint64_t)1000000;
    void *reply = NULL;
    int done = 0;
    while (!done)
        if (redisBufferWrite(client->context, &done) != REDIS_OK) {
            fail_context(client, error);
            return NULL;
        }
    while (redisGetReplyFromReader(client->context, &reply) == REDIS_OK && !reply) {
        if (wait_readable(client, deadline_ns, error) < 0)
            return NULL;
        if (redisBufferRead(client->context) != REDIS_OK)
            break;
    }
    if (!reply)
        fail_context(client, error);
    return reply;
}

static int refuse(const struct redis_client *client, const char *const *words, const char *answer, struct error *error)
{
    bool script = strcmp(words[0], "EVAL") == 0;
    const char *key = strcmp(words[0], "AUTH") == 0 ? NULL : words[script ? 3 : 1];
    return error_set(
        error, "Redis at %s: %s%s%s: %.300s", client->server, words[0], key ? " " : "", key ? key : "", answer);
}

redisReply *redis_client_ask(struct redis_client *client, int type, const char *const *words, struct error *error)
{
    size_t sizes[WORDS_MOST];
    int count = 0;
    if (client->lost) {
        lose(client, "the connection is lost", error);
        return NULL;
    }
    for (; count < WORDS_MOST && words[count]; count++)
        sizes[count] = strlen(words[count]);
    redisAppendCommandArgv(client->context, count, (const char **)words, sizes);
    redisReply *reply = exchange(client, error);
    if (!reply || reply->type == type)
        return reply;
    refuse(client, words, reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer of another type", error);
    freeReplyObject(reply);
    return NULL;
}

static int tell(struct redis_client *client, const char *const *words, struct error *error)
{
    redisReply *reply = redis_client_ask(client, REDIS_REPLY_STATUS, words, error);
    if (reply)
        freeReplyObject(reply);
    return reply ? 0 : -1;
}

static int log_in(struct redis_client *client, const char *user, const char *password, struct error *error)
{
    const char *words[] = {"AUTH", user ? user : password, user ? password : NULL, NULL};
    return *password ? tell(client, words, error) : 0;
}

/* Logs in and selects; PING finds out what else refuses us (NOAUTH, LOADING). */
static int greet(struct redis_client *client, const struct config *config, const char *password, struct error *error)
{
    char db[16];
    snprintf(db, sizeof db, "%u", config->redis.db);
    if (log_in(client, config->redis.user, password, error) < 0)
        return -1;
    if (config->redis.db && tell(client, (const char *[]){"SELECT", db, NULL}, error) < 0)
        return -1;
    return tell(client, (const char *[]){"PING", NULL}, error);
}

struct redis_client *redis_client_open(const struct config *config, const char *password, struct error *error)
{
    const struct timeval limit = {.tv_sec = ANSWER_LIMIT_MS / 1000};
    struct redis_client *client = mem_new(sizeof *client);
    client->server = config->redis.server;
    client->prefix = config->redis.prefix;
    client->context = dial(client->server);
    int result;
    if (!client->context)
        result = lose(client, "no memory for a connection", error);
    else if (client->context->err)
        result = fail_context(client, error);
    else
        result = redisSetTimeout(client->context, limit) == REDIS_OK ? greet(client, config, password, error)
                                                                     : fail_context(client, error);
    if (result == 0)
        return client;
    redis_client_close(client);
    return NULL;
}

void redis_client_close(struct redis_client *client)
{
    if (client && client->context)
        redisFree(client->context);
    free(client);
}

bool redis_client_lost(const struct redis_client *client)
{
    return client->lost;
}

char *redis_client_key(const struct redis_client *client, const char *name)
{
    return mem_printf("%s%s", client->prefix, name);
}
