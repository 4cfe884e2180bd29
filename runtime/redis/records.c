#include "redis/records.h"

#include "base/buffer.h"

#include <stdio.h>
#include <time.h>

enum { ERROR_MOST = 1024 };

static void field(struct redis_command *command, const char *name, const char *text)
{
    if (!text)
        return;
    redis_word(command, name);
    redis_word(command, text);
}

static void begin(struct redis_command *command, const char *verb, const struct buffer *key)
{
    *command = (struct redis_command){0};
    redis_word(command, verb);
    redis_bytes(command, buffer_data(key), buffer_size(key));
}

struct numbers {
    char now[32], job[24], attempt[16], runtime[32], ttl[16];
};

static void write_numbers(struct numbers *numbers, const struct record *record, unsigned ttl_s)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(numbers->now, sizeof numbers->now, "%lld.%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
    snprintf(numbers->job, sizeof numbers->job, "%llu", (unsigned long long)record->job);
    snprintf(numbers->attempt, sizeof numbers->attempt, "%u", record->attempt);
    snprintf(numbers->runtime, sizeof numbers->runtime, "%.6f", (double)record->runtime_ns / 1e9);
    snprintf(numbers->ttl, sizeof numbers->ttl, "%u", ttl_s);
}

static void set_fields(struct redis_command *command, const struct record *record, const struct numbers *numbers)
{
    field(command, "state", record->state);
    field(command, "updated", numbers->now);
    field(command, "name", record->name);
    field(command, "job", numbers->job);
    field(command, "tube", record->tube);
    field(command, "server", record->server);
    field(command, "worker", record->worker);
    field(command, "attempt", record->attempt ? numbers->attempt : NULL);
    field(command, "progress", record->progress);
    field(command, "runtime", record->runtime_ns ? numbers->runtime : NULL);
    redis_word(command, "error");
    redis_bytes(command, record->error_size ? record->error : "",
        record->error_size < ERROR_MOST ? record->error_size : ERROR_MOST);
}

void records_update(struct backlog *backlog, const struct records_options *options, const struct record *record)
{
    struct numbers numbers;
    struct redis_command command;
    struct buffer key = {0};
    write_numbers(&numbers, record, options->ttl_s);
    buffer_append_text(&key, options->prefix);
    buffer_append_text(&key, record->id);
    begin(&command, "HSETNX", &key);
    redis_word(&command, "created");
    redis_word(&command, numbers.now);
    backlog_add(backlog, "records", &command);
    begin(&command, "HSET", &key);
    set_fields(&command, record, &numbers);
    backlog_add(backlog, "records", &command);
    begin(&command, "EXPIRE", &key);
    redis_word(&command, numbers.ttl);
    backlog_add(backlog, "records", &command);
    buffer_free(&key);
}
