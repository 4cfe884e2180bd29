#include "redis/failures.h"

#include <stdio.h>

enum { ERROR_MOST = 1024, TRACEBACK_MOST = 8 * 1024 };

static size_t at_most(size_t size, size_t most)
{
    return size < most ? size : most;
}

static void field(struct redis_command *command, const char *name, const char *text)
{
    redis_word(command, name);
    redis_word(command, text ? text : "");
}

static void bytes_field(struct redis_command *command, const char *name, const char *bytes, size_t size)
{
    redis_word(command, name);
    redis_bytes(command, bytes ? bytes : "", bytes ? size : 0);
}

void failures_add(struct backlog *backlog, const char *key, const struct failure *failure)
{
    char id[24], attempt[16], delay[16], runtime[32];
    struct redis_command command = {0};
    snprintf(id, sizeof id, "%llu", (unsigned long long)failure->id);
    snprintf(attempt, sizeof attempt, "%u", failure->attempt);
    snprintf(delay, sizeof delay, "%u", failure->delay_s);
    snprintf(runtime, sizeof runtime, "%.6f", (double)failure->runtime_ns / 1e9);
    redis_word(&command, "XADD");
    redis_word(&command, key);
    redis_word(&command, "MAXLEN");
    redis_word(&command, "~");
    redis_word(&command, "10000");
    redis_word(&command, "*");
    field(&command, "server", failure->server);
    field(&command, "instance", failure->instance);
    field(&command, "id", id);
    field(&command, "name", failure->name);
    field(&command, "tube", failure->tube);
    field(&command, "attempt", attempt);
    field(&command, "state", failure->state);
    field(&command, "delay", delay);
    bytes_field(&command, "error", failure->error, at_most(failure->error_size, ERROR_MOST));
    bytes_field(&command, "traceback", failure->traceback, at_most(failure->traceback_size, TRACEBACK_MOST));
    field(&command, "runtime", runtime);
    field(&command, "worker", failure->worker);
    field(&command, "record", failure->record);
    backlog_add(backlog, "failures", &command, 0);
}
