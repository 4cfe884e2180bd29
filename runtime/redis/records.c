#include "redis/records.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ERROR_MOST = 1024 };

static void field(struct redis_command *command, const char *name, const char *text)
{
    if (!text)
        return;
    redis_word(command, name);
    redis_word(command, text);
}

/*
 * One script, so that a record is never without its end. It knows what a worker does not without asking beanstalkd: which
 * attempt this is, when nothing says it. And it leaves alone what is newer: what comes late, after Redis was away, may be of
 * an attempt that others have finished. Only an end counts whatever the clocks of two hosts say.
 *
 * KEYS[1] the record · ARGV: ttl, state, attempt or "", worker, job, now, then fields and values
 */
static const char script[] =
    "local old = redis.call('HMGET', KEYS[1], 'state', 'attempt', 'worker', 'job', 'updated') "
    "local ttl, state, attempt, worker, job, now = unpack(ARGV, 1, 6) "
    "local was, before = old[1], tonumber(old[2] or '') "
    "local ended = was == 'done' or was == 'buried' "
    "local newer = old[3] ~= worker and (tonumber(old[5] or '') or 0) > tonumber(now) "
    "if old[4] == job then "
    "  if newer and state ~= 'done' and state ~= 'buried' then return 0 end "
    "  if attempt ~= '' and before and before > tonumber(attempt) and was ~= 'buried' then return 0 end "
    "  if state == 'lost' and (ended or was == 'running' and old[3] ~= worker) then return 0 end "
    "end "
    "if attempt == '' then "
    "  if was == 'retrying' then attempt = (before or 0) + 1 "
    "  elseif was == 'buried' or not before then attempt = 1 "
    "  else attempt = before end "
    "end "
    "redis.call('HSETNX', KEYS[1], 'created', now) "
    "redis.call('HSET', KEYS[1], 'state', state, 'attempt', attempt, 'worker', worker, 'job', job, 'updated', now, "
    "  unpack(ARGV, 7)) "
    "redis.call('EXPIRE', KEYS[1], ttl) "
    "return 1";

enum { KEY_WORD = 3 }; // in EVAL script 1 key …

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
    field(command, "name", record->name);
    field(command, "tube", record->tube);
    field(command, "server", record->server);
    field(command, "progress", record->progress);
    redis_word(command, "runtime");
    redis_word(command, record->runtime_ns ? numbers->runtime : "");
    redis_word(command, "error");
    redis_bytes(command, record->error_size ? record->error : "",
        record->error_size < ERROR_MOST ? record->error_size : ERROR_MOST);
}

void records_update(struct backlog *backlog, const struct records_options *options, const struct record *record)
{
    struct numbers numbers;
    struct redis_command command = {0};
    char *key = mem_printf("%s%s", options->prefix, record->id);
    write_numbers(&numbers, record, options->ttl_s);
    redis_word(&command, "EVAL");
    redis_word(&command, script);
    redis_word(&command, "1");
    redis_word(&command, key);
    redis_word(&command, numbers.ttl);
    redis_word(&command, record->state);
    redis_word(&command, record->attempt ? numbers.attempt : "");
    redis_word(&command, record->worker);
    redis_word(&command, numbers.job);
    redis_word(&command, numbers.now);
    set_fields(&command, record, &numbers);
    backlog_add(backlog, "records", &command, KEY_WORD);
    free(key);
}
