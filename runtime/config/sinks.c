#include "config/kind.h"
#include "config/rules.h"
#include "config/types.h"

#include <string.h>
#include <sys/stat.h>

static const char *const kinds[] = {
    [CONFIG_SINK_STDOUT] = "stdout",
    [CONFIG_SINK_STDERR] = "stderr",
    [CONFIG_SINK_FILE] = "file",
    [CONFIG_SINK_REDIS] = "redis",
    [CONFIG_SINK_EMAIL] = "email",
};
static const char *const formats[] = {[CONFIG_FORMAT_LINE] = "line", [CONFIG_FORMAT_JSON] = "json"};
static const char expected_kind[] = "stdout, stderr, file, redis or email";

enum { FORMATS = sizeof formats / sizeof *formats };

/* ---- the options of one sink ---- */

/* Which of the names it is; `count` when it is none. */
static unsigned find_name(const struct node *node, const char *const *names, unsigned count)
{
    unsigned found = 0;
    if (node->kind != NODE_SCALAR)
        return count;
    while (found < count && strcmp(node->text, names[found]) != 0)
        found++;
    return found;
}

static bool read_kind(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    unsigned kind = find_name(node, kinds, CONFIG_SINK_KINDS);
    if (kind == CONFIG_SINK_KINDS)
        return schema_refuse(reading, node, option->path, expected_kind);
    ((struct config_sink *)base)->to = kind;
    return true;
}

static void print_kind(struct buffer *out, const struct option *option, const void *base)
{
    (void)option;
    buffer_append_text(out, kinds[((const struct config_sink *)base)->to]);
}

static bool read_format(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    unsigned format = find_name(node, formats, FORMATS);
    if (format == FORMATS)
        return schema_refuse(reading, node, option->path, "line or json");
    ((struct config_sink *)base)->format = format;
    return true;
}

static void print_format(struct buffer *out, const struct option *option, const void *base)
{
    (void)option;
    buffer_append_text(out, formats[((const struct config_sink *)base)->format]);
}

static bool read_level(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    int level = node->kind == NODE_SCALAR ? level_parse(node->text) : -1;
    if (level < 0)
        return schema_refuse(
            reading, node, option->path, "one of debug, info, notice, warning, error, critical, alert or emergency");
    ((struct config_sink *)base)->level = (enum level)level;
    return true;
}

static void print_level(struct buffer *out, const struct option *option, const void *base)
{
    (void)option;
    buffer_append_text(out, level_name(((const struct config_sink *)base)->level));
}

/* That it is none now is a matter of the file system, but a mistake in any case. */
static bool read_file_path(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    struct stat status;
    if (!type_path.read(reading, option, node, base))
        return false;
    const char *path = ((const struct config_sink *)base)->path;
    if (path[strlen(path) - 1] != '/' && (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)))
        return true;
    problems_add(reading->problems, node->place, "%s must be a file, %s is a directory", option->path,
        problems_quote(reading->arena, path, strlen(path)));
    return false;
}

static void print_file_path(struct buffer *out, const struct option *option, const void *base)
{
    type_path.print(out, option, base);
}

/* Whoever puts a password there does not read it in a refusal. */
static bool read_server(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    if (node->kind != NODE_SCALAR || !strchr(node->text, '@'))
        return type_text.read(reading, option, node, base);
    problems_add(reading->problems, node->place, "%s must be %s; log.user and log.password have keys of their own",
        option->path, option->expected);
    return false;
}

static void print_server(struct buffer *out, const struct option *option, const void *base)
{
    type_text.print(out, option, base);
}

/* One address needs no list. */
static bool read_addresses(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    struct node list = {.kind = NODE_LIST, .place = node->place, .first = NULL, .count = 1}, only = *node;
    only.next = NULL;
    list.first = &only;
    return type_texts.read(reading, option, node->kind == NODE_SCALAR ? &list : node, base);
}

static void print_addresses(struct buffer *out, const struct option *option, const void *base)
{
    type_texts.print(out, option, base);
}

static const struct type type_kind = {read_kind, print_kind}, type_level = {read_level, print_level},
                         type_format = {read_format, print_format}, type_file_path = {read_file_path, print_file_path},
                         type_mail_server = {read_server, print_server},
                         type_addresses = {read_addresses, print_addresses};

#define MEMBER(name) offsetof(struct config_sink, name)

// clang-format off
#define COMMON \
    {.path = "log.to", .type = &type_kind}, \
    {.path = "log.level", .type = &type_level}, \
    {.path = "log.format", .type = &type_format}, \
    {.path = "log.buffer", .type = &type_boolean, .member = MEMBER(buffer)}
static const struct option stream_options[] = {COMMON};
static const struct option file_options[] = {
    COMMON,
    {.path = "log.path", .type = &type_file_path, .member = MEMBER(path), .accepts = rules_path, .expected = RULES_PATH},
};
static const struct option redis_options[] = {
    COMMON,
    {.path = "log.key", .type = &type_text, .member = MEMBER(key), .accepts = rules_key, .expected = RULES_KEY},
    {.path = "log.max", .type = &type_number, .member = MEMBER(max), .least = 1, .most = 100 * 1000 * 1000},
};
static const struct option email_options[] = {
    COMMON,
    {.path = "log.server", .type = &type_mail_server, .member = MEMBER(email.server),
     .accepts = rules_mail_server, .expected = RULES_MAIL_SERVER},
    {.path = "log.from", .type = &type_text, .member = MEMBER(email.from),
     .accepts = rules_address, .expected = RULES_ADDRESS},
    {.path = "log.address", .type = &type_addresses, .member = MEMBER(email.address),
     .counter = MEMBER(email.address_count), .least = 1, .most = CONFIG_ADDRESSES_MOST,
     .accepts = rules_address, .expected = RULES_ADDRESS},
    {.path = "log.user", .type = &type_text, .member = MEMBER(email.user),
     .accepts = rules_key, .expected = RULES_KEY},
    {.path = "log.password", .type = &type_secret, .member = MEMBER(email.password),
     .accepts = rules_secret, .expected = RULES_SECRET},
    {.path = "log.password_file", .type = &type_path, .member = MEMBER(email.password_file),
     .accepts = rules_path, .expected = RULES_PATH},
    {.path = "log.ca_file", .type = &type_path, .member = MEMBER(email.ca_file),
     .accepts = rules_path, .expected = RULES_PATH},
    {.path = "log.interval", .type = &type_seconds, .member = MEMBER(email.interval_s), .least = 1, .most = 24 * 3600},
};
// clang-format on

#define TABLE(options)                                                                                                 \
    {                                                                                                                  \
        options, sizeof(options) / sizeof *(options)                                                                   \
    }
static const struct schema schemas[CONFIG_SINK_KINDS] = {
    [CONFIG_SINK_STDOUT] = TABLE(stream_options),
    [CONFIG_SINK_STDERR] = TABLE(stream_options),
    [CONFIG_SINK_FILE] = TABLE(file_options),
    [CONFIG_SINK_REDIS] = TABLE(redis_options),
    [CONFIG_SINK_EMAIL] = TABLE(email_options),
};

/* ---- one sink ---- */

static const struct node *member(const struct node *mapping, const char *key)
{
    const struct node *child = mapping->first;
    while (child && (child->key->kind != NODE_SCALAR || strcmp(child->key->text, key) != 0))
        child = child->next;
    return child && kind_of(child) != KIND_NULL ? child : NULL;
}

/* Whether it has what has no default; said if not. */
static bool has(struct reading *reading, const struct node *node, const char *kind, const char *key, const char *what)
{
    if (member(node, key))
        return true;
    problems_add(
        reading->problems, node->place, "a sink of log%s%s needs '%s': %s", *kind ? " to " : "", kind, key, what);
    return false;
}

static void check_needs(struct reading *reading, const struct node *node, const struct config_sink *sink)
{
    if (sink->to == CONFIG_SINK_FILE)
        has(reading, node, "file", "path", "where to write");
    if (sink->to != CONFIG_SINK_EMAIL)
        return;
    has(reading, node, "email", "server", "smtp://host or smtps://host");
    has(reading, node, "email", "address", "to whom");
    if (member(node, "password") && member(node, "password_file"))
        problems_add(reading->problems, member(node, "password_file")->place,
            "log.password and log.password_file are both set; remove one");
    if ((member(node, "password") || member(node, "password_file")) && !member(node, "user"))
        problems_add(reading->problems, node->place, "log.password needs log.user");
}

static void read_sink(struct reading *reading, const struct node *node, struct config_sink *sink)
{
    *sink = (struct config_sink){
        .level = LEVEL_INFO, .key = "lunastalk.log", .max = 10000, .email = {.interval_s = 5 * 60}};
    if (node->kind != NODE_MAPPING) {
        schema_refuse(reading, node, "a sink of log", "a mapping such as {to: stdout, level: info}");
        return;
    }
    if (!has(reading, node, "", "to", expected_kind))
        return;
    const struct option kind = stream_options[0];
    const struct node *to = member(node, "to");
    if (!read_kind(reading, &kind, to, sink))
        return;
    if (sink->to == CONFIG_SINK_REDIS)
        sink->format = CONFIG_FORMAT_JSON;
    schema_read(reading, &schemas[sink->to], "log", node, sink, NULL);
    check_needs(reading, node, sink);
}

/* ---- the list ---- */

static bool read_sinks(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    const struct node *list = schema_unfold(reading, node);
    if (!list)
        return false;
    if (list->kind != NODE_LIST || list->count < option->least || list->count > option->most)
        return schema_refuse(reading, list, option->path,
            arena_printf(reading->arena, "a list of %u to %u sinks such as {to: stdout, level: info}", option->least,
                option->most));
    struct config *config = base;
    struct config_sink *sinks = arena_new(reading->arena, list->count * sizeof *sinks);
    for (const struct node *item = list->first; item; item = item->next)
        read_sink(reading, item, &sinks[item->index]);
    config->log = sinks;
    config->log_count = list->count;
    return true;
}

static void print_sink(struct buffer *out, const struct config_sink *sink)
{
    const struct schema *table = &schemas[sink->to];
    for (size_t i = 0; i < table->count; i++) {
        buffer_printf(out, "%s%s: ", i ? ", " : "", strchr(table->options[i].path, '.') + 1);
        table->options[i].type->print(out, &table->options[i], sink);
    }
}

static void print_sinks(struct buffer *out, const struct option *option, const void *base)
{
    (void)option;
    const struct config *config = base;
    for (size_t i = 0; i < config->log_count; i++) {
        buffer_append_text(out, i ? ", {" : "[{");
        print_sink(out, &config->log[i]);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "]");
}

/* But for mail: who looks for a fault on a terminal does not mean to write to everybody. */
static bool read_sink_levels(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    struct config *config = base;
    struct config_sink *sinks = (struct config_sink *)config->log; // ours since read_sinks()
    struct config_sink read = {.level = LEVEL_INFO};
    if (!read_level(reading, option, node, &read))
        return false;
    for (size_t i = 0; i < config->log_count; i++)
        if (sinks[i].to != CONFIG_SINK_EMAIL)
            sinks[i].level = read.level;
    return true;
}

const struct type type_sinks = {read_sinks, print_sinks};
const struct type type_sink_levels = {.read = read_sink_levels};
