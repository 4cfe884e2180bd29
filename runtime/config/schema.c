#include "config/schema.h"

#include "base/suggest.h"
#include "config/kind.h"
#include "config/rules.h"
#include "config/types.h"

#include <string.h>

#define MEMBER(name) offsetof(struct config, name)

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S, DAY_MS = DAY_S * 1000 };

// clang-format off
static const struct option options[SCHEMA_OPTIONS] = {
    {.path = "worker.name", .type = &type_text, .member = MEMBER(worker.name),
     .accepts = rules_name, .expected = RULES_NAME},
    {.path = "worker.tubes", .type = &type_texts, .member = MEMBER(worker.tubes), .counter = MEMBER(worker.tube_count),
     .initial = "default", .repeats = true, .least = 1, .most = 1000, .accepts = rules_tube, .expected = RULES_TUBE},
    {.path = "worker.executors", .type = &type_number, .member = MEMBER(worker.executors),
     .initial = "1", .least = 1, .most = 64},
    {.path = "worker.shutdown_timeout", .type = &type_milliseconds, .member = MEMBER(worker.shutdown_timeout_ms),
     .initial = "8s", .least = 0, .most = DAY_MS},
    {.path = "beanstalkd.server", .type = &type_text, .member = MEMBER(beanstalkd.server),
     .initial = "127.0.0.1:11300", .accepts = rules_server, .expected = RULES_SERVER},
    {.path = "beanstalkd.reserve_timeout", .type = &type_seconds, .member = MEMBER(beanstalkd.reserve_timeout_s),
     .initial = "60s", .least = 1, .most = HOUR_S},
    {.path = "jobs.path", .type = &type_path, .member = MEMBER(jobs.path),
     .initial = "jobs", .accepts = rules_path, .expected = RULES_PATH},
    {.path = "jobs.retry.max", .type = &type_number, .member = MEMBER(jobs.retry.max),
     .initial = "0", .least = 0, .most = 1000},
    {.path = "jobs.retry.delay", .type = &type_seconds, .member = MEMBER(jobs.retry.delay_s),
     .initial = "10s", .least = 0, .most = DAY_S},
    {.path = "jobs.timeout", .type = &type_milliseconds, .member = MEMBER(jobs.timeout_ms),
     .least = 1, .most = 20 * DAY_MS},
    {.path = "jobs.max_timeout", .type = &type_seconds, .member = MEMBER(jobs.max_timeout_s),
     .initial = "1d", .least = 1, .most = 20 * DAY_S},
    {.path = "executor.memory", .type = &type_size, .member = MEMBER(executor.memory),
     .initial = "512MB", .least = 16, .most = 1024 * 1024},
    {.path = "executor.max_jobs", .type = &type_number, .member = MEMBER(executor.max_jobs),
     .initial = "0", .least = 0, .most = 1000000000},
    {.path = "executor.max_memory", .type = &type_size, .member = MEMBER(executor.max_memory),
     .initial = "0", .least = 1, .most = 1024 * 1024},
    {.path = "redis.server", .type = &type_text, .member = MEMBER(redis.server),
     .accepts = rules_server, .expected = RULES_SERVER},
    {.path = "redis.db", .type = &type_number, .member = MEMBER(redis.db), .initial = "0", .least = 0, .most = 65535},
    {.path = "redis.user", .type = &type_text, .member = MEMBER(redis.user),
     .accepts = rules_key, .expected = RULES_KEY},
    {.path = "redis.password", .type = &type_secret, .member = MEMBER(redis.password),
     .accepts = rules_secret, .expected = RULES_SECRET},
    {.path = "redis.password_file", .type = &type_path, .member = MEMBER(redis.password_file),
     .accepts = rules_path, .expected = RULES_PATH},
    {.path = "redis.prefix", .type = &type_text, .member = MEMBER(redis.prefix),
     .initial = "", .accepts = rules_prefix, .expected = RULES_PREFIX},
    {.path = "heartbeat.key", .type = &type_text, .member = MEMBER(heartbeat.key),
     .initial = "workers.heartbeat", .accepts = rules_key, .expected = RULES_KEY},
    {.path = "heartbeat.every", .type = &type_milliseconds, .member = MEMBER(heartbeat.every_ms),
     .initial = "1s", .least = 100, .most = 60 * 1000},
    {.path = "reload.key", .type = &type_text, .member = MEMBER(reload.key),
     .initial = "worker_version", .accepts = rules_key, .expected = RULES_KEY},
    {.path = "reload.on_change", .type = &type_text, .member = MEMBER(reload.on_change),
     .initial = "reload", .accepts = rules_on_change, .expected = RULES_ON_CHANGE},
    {.path = "records.prefix", .type = &type_text, .member = MEMBER(records.prefix),
     .initial = "jobs:", .accepts = rules_prefix, .expected = RULES_PREFIX},
    {.path = "records.ttl", .type = &type_seconds, .member = MEMBER(records.ttl_s),
     .initial = "7d", .least = 1, .most = 1000 * DAY_S},
    {.path = "callbacks.tube", .type = &type_text, .member = MEMBER(callbacks.tube),
     .initial = "lunastalk.callbacks", .accepts = rules_tube, .expected = RULES_TUBE},
    {.path = "callbacks.serve", .type = &type_boolean, .member = MEMBER(callbacks.serve), .initial = "true"},
    {.path = "callbacks.concurrency", .type = &type_number, .member = MEMBER(callbacks.concurrency),
     .initial = "10", .least = 1, .most = 100},
    {.path = "callbacks.retries", .type = &type_number, .member = MEMBER(callbacks.retries),
     .initial = "10", .least = 0, .most = 1000},
    {.path = "callbacks.allow", .type = &type_texts, .member = MEMBER(callbacks.allow),
     .counter = MEMBER(callbacks.allow_count), .initial = "[]", .least = 0, .most = 1000, .accepts = rules_allow,
     .expected = RULES_ALLOW},
    {.path = "callbacks.secret", .type = &type_secret, .member = MEMBER(callbacks.secret),
     .accepts = rules_secret, .expected = RULES_SECRET},
    {.path = "callbacks.secret_file", .type = &type_path, .member = MEMBER(callbacks.secret_file),
     .accepts = rules_path, .expected = RULES_PATH},
    {.path = "log", .type = &type_sinks, .member = MEMBER(log), .counter = MEMBER(log_count),
     .initial = "[{to: stdout}]", .least = 1, .most = CONFIG_SINKS_MOST},
    {.path = "log.level", .type = &type_sink_levels},
    {.path = "settings", .type = &type_settings, .member = MEMBER(settings), .initial = "{}"},
};
// clang-format on

const struct schema schema = {options, SCHEMA_OPTIONS};

bool schema_refuse(struct reading *reading, const struct node *node, const char *subject, const char *expected)
{
    problems_add(
        reading->problems, node->place, "%s must be %s, not %s", subject, expected, kind_found(reading->arena, node));
    return false;
}

const struct node *schema_unfold(struct reading *reading, const struct node *node)
{
    if (!node->given)
        return node;
    return node_parse(reading->arena, reading->problems, node->place, false, node->text, node->size);
}

void schema_read_option(struct reading *reading, const struct schema *table, const struct option *option,
    const struct node *node, void *base, const char **origins)
{
    if (node->kind == NODE_SCALAR && strlen(node->text) != node->size)
        problems_add(reading->problems, node->place, "%s holds a NUL character", option->path);
    else if (option->type->read(reading, option, node, base) && origins)
        origins[option - table->options] = node->place;
}

/* What stands behind `prefix` in the path of an option, or NULL when that is elsewhere. */
static const char *behind(const char *prefix, const char *path)
{
    size_t length = strlen(prefix);
    if (!length)
        return path;
    return strncmp(prefix, path, length) == 0 && path[length] == '.' ? path + length + 1 : NULL;
}

static void refuse_key(struct reading *reading, const struct schema *table, const char *prefix, const struct node *key)
{
    const char *names[SCHEMA_OPTIONS];
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const char *name = behind(prefix, table->options[i].path);
        if (name)
            names[count++] = arena_copy(reading->arena, name, strcspn(name, "."));
    }
    const char *meant = suggest(key->text, names, count);
    problems_add(reading->problems, key->place, "unknown key %s%s%s%s%s%s",
        problems_quote(reading->arena, key->text, key->size), *prefix ? " in " : "", prefix,
        meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static void read_member(struct reading *reading, const struct schema *table, const char *prefix,
    const struct node *node, void *base, const char **origins)
{
    const struct node *key = node->key;
    bool section = false;
    if (key->kind != NODE_SCALAR)
        return; // refused when it was parsed
    const char *path = arena_printf(reading->arena, "%s%s%s", prefix, *prefix ? "." : "", key->text);
    // A dot in a key is a part of its name, not a path; no name has one, and none has a NUL.
    bool name = strlen(key->text) == key->size && *key->text && !strchr(key->text, '.');
    for (size_t i = 0; name && i < table->count; i++) {
        const struct option *option = &table->options[i];
        if (strcmp(option->path, path) == 0) {
            if (kind_of(node) != KIND_NULL)
                schema_read_option(reading, table, option, node, base, origins);
            return;
        }
        section = section || behind(path, option->path);
    }
    if (section)
        schema_read(reading, table, path, node, base, origins);
    else
        refuse_key(reading, table, prefix, key);
}

void schema_read(struct reading *reading, const struct schema *table, const char *prefix, const struct node *mapping,
    void *base, const char **origins)
{
    enum kind kind = kind_of(mapping);
    if (kind != KIND_MAPPING && kind != KIND_NULL)
        schema_refuse(reading, mapping, *prefix ? prefix : "the configuration", "a mapping of keys to values");
    for (const struct node *child = kind == KIND_MAPPING ? mapping->first : NULL; child; child = child->next)
        read_member(reading, table, prefix, child, base, origins);
}
