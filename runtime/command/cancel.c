#include "base/clock.h"
#include "base/memory.h"
#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"
#include "job/envelope.h"
#include "redis/cancels.h"
#include "redis/key.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_LEAST_MS = 10000, WAIT_BEATS = 3, LOOK_EVERY_MS = 50 };

/* Workers look with each heartbeat. */
static uint64_t wait_ms(const struct session *session)
{
    uint64_t beats_ms = WAIT_BEATS * session->config->heartbeat.every_ms;
    return beats_ms > WAIT_LEAST_MS ? beats_ms : WAIT_LEAST_MS;
}

/* The key that the worker looks for, or NULL and `error`. */
static char *make_key(struct client *client, uint64_t id, struct error *error)
{
    struct buffer text = {0};
    struct json *stats = NULL;
    char *key = NULL;
    if (client_stats(client, &text, error) == 0)
        stats = json_parse(buffer_data(&text), buffer_size(&text), ENVELOPE_DEPTH, error);
    if (stats)
        key = mem_printf(CANCELS_KEY, lookup_text(stats, "id"), (unsigned long long)id);
    json_free(stats);
    buffer_free(&text);
    return key;
}

/* Whether somebody runs the job. Returns the exit code. */
static int check_reserved(struct session *session, uint64_t id)
{
    struct error error;
    struct json *stats;
    unsigned long long number = id;
    if (lookup_job(session->client, id, &stats, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!stats)
        return session_failed(session, "there is no job %llu", number);
    int exit_code = EXIT_DONE;
    const char *state = lookup_text(stats, "state");
    if (strcmp(state, "reserved") != 0)
        exit_code = session_failed(
            session, "job %llu is %s: no worker runs it; lunastalk delete --id %llu removes it", number, state, number);
    json_free(stats);
    return exit_code;
}

/* "ada@web1": for the worker's log. */
static char *who_asks(void)
{
    char host[256] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    return user && *user ? mem_printf("%s@%s", user, host) : mem_printf("uid %u@%s", (unsigned)getuid(), host);
}

/* Waits until a worker took the key away, or takes it back; `taken` says which. */
static int wait_taken(struct session *session, const char *key, bool *taken, struct error *error)
{
    struct redis_client *redis = session->redis;
    uint64_t end_ns = clock_ns() + wait_ms(session) * 1000000;
    bool there = true;
    while (clock_ns() < end_ns) {
        if (key_exists(redis, key, &there, error) < 0)
            return -1;
        *taken = !there;
        if (*taken)
            return 0;
        poll(NULL, 0, LOOK_EVERY_MS);
    }
    int result = key_delete(redis, key, &there, error);
    *taken = !there;
    return result;
}

/* The request was withdrawn: the job has ended by itself, or who has it does not listen. */
static int explain(struct session *session, uint64_t id)
{
    int exit_code = check_reserved(session, id);
    if (exit_code != EXIT_DONE)
        return exit_code;
    return session_failed(session,
        "nobody took the request within %llu s: who holds job %llu is no worker of ours, has no or another "
        "Redis, or is ending the job already; the request is withdrawn",
        (unsigned long long)wait_ms(session) / 1000, (unsigned long long)id);
}

static int ask(struct session *session, const char *key, uint64_t id)
{
    struct error error;
    bool taken = false;
    char *who = who_asks();
    int result = key_set(session->redis, key, who, (uint32_t)(2 * wait_ms(session) / 1000), &error);
    free(who);
    if (result == 0)
        result = wait_taken(session, key, &taken, &error);
    if (result < 0)
        return session_failed(
            session, "%s; whether job %llu is cancelled is not known", error.text, (unsigned long long)id);
    if (!taken)
        return explain(session, id);
    printf("cancelled job %llu: its worker is ending it\n", (unsigned long long)id);
    return EXIT_DONE;
}

static int cancel(struct session *session, const char *text)
{
    struct error error;
    uint64_t id;
    int exit_code;
    if (!text)
        return session_misused(session, "which job? --id N");
    if (option_number("--id", text, 1, UINT64_MAX, &id, &error) < 0)
        return session_misused(session, "%s", error.text);
    if (!session_connect_redis(session, &exit_code))
        return exit_code;
    if (!session_connect(session))
        return EXIT_UNREACHABLE;
    if ((exit_code = check_reserved(session, id)))
        return exit_code;
    char *key = make_key(session->client, id, &error);
    exit_code = key ? ask(session, key, id) : session_failed(session, "%s", error.text);
    free(key);
    return exit_code;
}

int command_cancel(int argc, char **argv)
{
    const char *id = NULL;
    const struct option_spec specs[] = {
        {"id", "N", "the job", .value = &id},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "cancel",
        .usage = "--id N",
        .summary = "Ends a job that a worker runs, wherever it runs; it fails with \"cancelled\"",
        .details =
            "Asks through Redis and waits until the worker has seen it, which looks with each heartbeat: up to\n"
            "10 s, or three times heartbeat.every. A job that waits is no job to cancel: lunastalk delete --id N.\n",
        .specs = specs,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, cancel(&session, id));
}
