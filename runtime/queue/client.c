#include "queue/client.h"

#include "base/memory.h"
#include "queue/beanstalkd_connection.h"
#include "queue/statistics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_LIMIT_MS = 5000,
    PUT_LIMIT_MS = 30000,
    PUTS_MOST = 1000,
    PUT_BYTES_MOST = 4 * 1024 * 1024,
    WRITE_CHUNK = 64 * 1024,
};

struct client {
    uv_loop_t loop;
    struct connection *connection; // NULL when it is lost
    char *server;
    char why[160]; // it was lost
    char used[BEANSTALKD_TUBE_LONGEST + 1];
    uint64_t body_most;
    size_t unanswered; // bytes of bodies
};

struct answer {
    enum beanstalkd_reply_kind kind;
    uint64_t number;
    struct buffer *body; // where it goes
    bool came, lost;
};

struct put {
    client_put_done *done;
    void *context;
    uint64_t line;
    size_t size;
};

static void on_open(void *context)
{
    struct client *client = context;
    connection_flush(client->connection);
}

static void on_closed(void *context, const char *why)
{
    struct client *client = context;
    client->connection = NULL;
    snprintf(client->why, sizeof client->why, "%s", why);
}

bool client_lost(const struct client *client)
{
    return !client->connection;
}

static int fail_lost(const struct client *client, struct error *error)
{
    return error_set(error, "%s: %s", client->server, client->why);
}

static void on_answer(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct answer *answer = argument;
    (void)context;
    answer->came = reply;
    answer->lost = !reply;
    if (!reply)
        return;
    answer->kind = reply->kind;
    answer->number = reply->number;
    if (answer->body)
        buffer_append(answer->body, reply->body, reply->size);
}

static const char *explain(enum beanstalkd_reply_kind kind)
{
    switch (kind) {
    case REPLY_DRAINING: return "DRAINING: it is about to end and takes no new jobs";
    case REPLY_OUT_OF_MEMORY: return "OUT_OF_MEMORY: it has no memory, disk or descriptor left";
    case REPLY_INTERNAL_ERROR: return "INTERNAL_ERROR: see its own log; its disk may be full";
    default: return beanstalkd_reply_name(kind);
    }
}

/*
 * Sends one command and waits. 0 when the answer is `wanted`, or, with `found`, NOT_FOUND; everything else is an error.
 */
static int ask(struct client *client, enum beanstalkd_reply_kind wanted, struct answer *answer, bool *found,
    struct error *error, const char *format, ...) __attribute__((format(printf, 6, 7)));

static int ask(struct client *client, enum beanstalkd_reply_kind wanted, struct answer *answer, bool *found,
    struct error *error, const char *format, ...)
{
    char command[BEANSTALKD_TUBE_LONGEST + 64];
    va_list arguments;
    if (found)
        *found = false;
    if (client_lost(client))
        return fail_lost(client, error);
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    buffer_printf(connection_out(client->connection), "%s\r\n", command);
    uv_update_time(&client->loop);
    connection_expect(client->connection, ANSWER_LIMIT_MS, on_answer, answer);
    connection_flush(client->connection);
    while (!answer->came && !answer->lost)
        uv_run(&client->loop, UV_RUN_ONCE);
    if (answer->lost)
        return fail_lost(client, error);
    if (found)
        *found = answer->kind == wanted;
    if (answer->kind == wanted || (found && answer->kind == REPLY_NOT_FOUND))
        return 0;
    return error_set(error, "%s: %s: %s", client->server, command, explain(answer->kind));
}

struct client *client_open(const char *server, struct error *error)
{
    struct client *client = mem_new(sizeof *client);
    const struct connection_events events = {.context = client, .open = on_open, .closed = on_closed};
    struct buffer yaml = {0};
    struct answer answer = {.body = &yaml};
    uv_loop_init(&client->loop);
    client->server = mem_copy(server, strlen(server));
    client->connection = connection_new(&client->loop, server, &events);
    strcpy(client->used, "default");
    int result = ask(client, REPLY_OK, &answer, NULL, error, "stats");
    client->body_most = beanstalkd_stat_number(buffer_data(&yaml), buffer_size(&yaml), "max-job-size", UINT32_MAX);
    buffer_free(&yaml);
    if (result == 0)
        return client;
    client_close(client);
    return NULL;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    if (client->connection)
        connection_close(client->connection, "closed");
    uv_run(&client->loop, UV_RUN_DEFAULT);
    uv_loop_close(&client->loop);
    free(client->server);
    free(client);
}

int client_check_tube(const char *tube, struct error *error)
{
    if (beanstalkd_tube_valid(tube, strlen(tube)))
        return 0;
    return error_set(error, "'%s' is no tube: 1 to %d of A-Z a-z 0-9 - + / ; . $ _ ( ), the first not '-'", tube,
        BEANSTALKD_TUBE_LONGEST);
}

/* The tube of puts, kicks and peeks from here on. */
static int use(struct client *client, const char *tube, struct error *error)
{
    struct answer answer = {0};
    if (strcmp(client->used, tube) == 0)
        return 0;
    if (ask(client, REPLY_USING, &answer, NULL, error, "use %s", tube) < 0)
        return -1;
    snprintf(client->used, sizeof client->used, "%s", tube);
    return 0;
}

static void refuse(const struct client *client, const struct put *put, const struct beanstalkd_reply *reply)
{
    char why[200];
    if (!reply || reply->kind == REPLY_JOB_TOO_BIG)
        snprintf(why, sizeof why, "its %zu bytes are more than the %llu that %s takes (max-job-size; beanstalkd -z)",
            put->size, (unsigned long long)client->body_most, client->server);
    else if (reply->kind == REPLY_BURIED)
        snprintf(why, sizeof why, "%s had no memory to queue it and keeps it buried as job %llu", client->server,
            (unsigned long long)reply->number);
    else
        snprintf(why, sizeof why, "%s: %s", client->server, explain(reply->kind));
    put->done(put->context, put->line, CLIENT_PUT_REFUSED, 0, why);
}

static void on_put(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct client *client = context;
    struct put *put = argument;
    client->unanswered -= put->size;
    if (!reply)
        put->done(put->context, put->line, CLIENT_PUT_UNKNOWN, 0, NULL);
    else if (reply->kind == REPLY_INSERTED)
        put->done(put->context, put->line, CLIENT_PUT_ACCEPTED, reply->number, NULL);
    else
        refuse(client, put, reply);
    free(put);
}

/* Waits until at most so many puts, with so many bytes, are unanswered, or the connection is lost. */
static void drain(struct client *client, size_t puts, size_t bytes)
{
    if (client->connection)
        connection_flush(client->connection);
    while (client->connection && (connection_pending(client->connection) > puts || client->unanswered > bytes))
        uv_run(&client->loop, UV_RUN_ONCE);
}

int client_put_later(struct client *client, const struct client_put *job, uint64_t line, client_put_done *done,
    void *context, struct error *error)
{
    const struct put put = {done, context, line, job->size};
    if (client->connection &&
        (connection_pending(client->connection) > PUTS_MOST || client->unanswered > PUT_BYTES_MOST))
        drain(client, PUTS_MOST / 2, PUT_BYTES_MOST / 2);
    if (client_lost(client))
        return fail_lost(client, error);
    if (use(client, job->tube, error) < 0)
        return -1;
    if (job->size > client->body_most) {
        refuse(client, &put, NULL);
        return 0;
    }
    struct buffer *out = connection_out(client->connection);
    beanstalkd_put(out, job->priority, job->delay_s, job->ttr_s, job->body, job->size);
    client->unanswered += job->size;
    struct put *pending = mem_new(sizeof *pending);
    *pending = put;
    uv_update_time(&client->loop);
    connection_expect(client->connection, PUT_LIMIT_MS, on_put, pending);
    if (buffer_size(out) < WRITE_CHUNK)
        return 0;
    connection_flush(client->connection);
    uv_run(&client->loop, UV_RUN_NOWAIT);
    return 0;
}

int client_finish(struct client *client, struct error *error)
{
    drain(client, 0, 0);
    return client_lost(client) ? fail_lost(client, error) : 0;
}

struct single {
    enum client_put_result result;
    uint64_t id;
    struct error why;
};

static void keep_result(void *context, uint64_t line, enum client_put_result result, uint64_t id, const char *why)
{
    struct single *single = context;
    (void)line;
    single->result = result;
    single->id = id;
    if (why)
        error_set(&single->why, "%s", why);
}

int client_put(struct client *client, const struct client_put *put, uint64_t *id, struct error *error)
{
    struct single single = {.result = CLIENT_PUT_UNKNOWN};
    if (client_put_later(client, put, 0, keep_result, &single, error) < 0)
        return -1;
    drain(client, 0, 0);
    *id = single.id;
    switch (single.result) {
    case CLIENT_PUT_ACCEPTED: return 0;
    case CLIENT_PUT_REFUSED: *error = single.why; return -1;
    case CLIENT_PUT_UNKNOWN: break;
    }
    return error_set(error, "%s: %s; whether the job was put is not known", client->server, client->why);
}

int client_stats(struct client *client, struct buffer *out, struct error *error)
{
    static const char *const own[] = {"current-connections", NULL};
    struct buffer yaml = {0};
    struct answer answer = {.body = &yaml};
    int result = ask(client, REPLY_OK, &answer, NULL, error, "stats");
    if (result == 0)
        statistics_object(out, &yaml, own);
    buffer_free(&yaml);
    return result;
}

int client_stats_tube(struct client *client, const char *tube, struct buffer *out, bool *found, struct error *error)
{
    const char *own[3] = {NULL};
    size_t count = 0;
    struct buffer yaml = {0};
    struct answer answer = {.body = &yaml};
    if (strcmp(tube, "default") == 0)
        own[count++] = "current-watching";
    if (strcmp(tube, client->used) == 0)
        own[count++] = "current-using";
    int result = ask(client, REPLY_OK, &answer, found, error, "stats-tube %s", tube);
    if (result == 0 && *found)
        statistics_object(out, &yaml, own);
    buffer_free(&yaml);
    return result;
}

int client_stats_job(struct client *client, uint64_t id, struct buffer *out, bool *found, struct error *error)
{
    static const char *const own[] = {NULL};
    struct buffer yaml = {0};
    struct answer answer = {.body = &yaml};
    int result = ask(client, REPLY_OK, &answer, found, error, "stats-job %llu", (unsigned long long)id);
    if (result == 0 && *found)
        statistics_object(out, &yaml, own);
    buffer_free(&yaml);
    return result;
}

int client_tubes(struct client *client, struct buffer *out, struct error *error)
{
    struct buffer yaml = {0};
    struct answer answer = {.body = &yaml};
    int result = ask(client, REPLY_OK, &answer, NULL, error, "list-tubes");
    if (result == 0)
        statistics_list(out, &yaml);
    buffer_free(&yaml);
    return result;
}

int client_peek(struct client *client, const char *tube, const char *state, uint64_t *id, struct buffer *body,
    bool *found, struct error *error)
{
    struct answer answer = {.body = body};
    if (use(client, tube, error) < 0 || ask(client, REPLY_FOUND, &answer, found, error, "peek-%s", state) < 0)
        return -1;
    *id = answer.number;
    return 0;
}

int client_peek_job(struct client *client, uint64_t id, struct buffer *body, bool *found, struct error *error)
{
    struct answer answer = {.body = body};
    return ask(client, REPLY_FOUND, &answer, found, error, "peek %llu", (unsigned long long)id);
}

int client_kick(struct client *client, const char *tube, uint32_t most, uint64_t *kicked, struct error *error)
{
    struct answer answer = {0};
    if (use(client, tube, error) < 0 || ask(client, REPLY_KICKED, &answer, NULL, error, "kick %u", most) < 0)
        return -1;
    *kicked = answer.number;
    return 0;
}

int client_kick_job(struct client *client, uint64_t id, bool *found, struct error *error)
{
    struct answer answer = {0};
    return ask(client, REPLY_KICKED, &answer, found, error, "kick-job %llu", (unsigned long long)id);
}

int client_delete(struct client *client, uint64_t id, bool *found, struct error *error)
{
    struct answer answer = {0};
    return ask(client, REPLY_DELETED, &answer, found, error, "delete %llu", (unsigned long long)id);
}
