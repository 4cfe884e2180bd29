#include "config/kind.h"
#include "config/types.h"

#include <string.h>

static const char *const kinds[] = {[CONFIG_SINK_STDOUT] = "stdout", [CONFIG_SINK_STDERR] = "stderr"};
static const char *const formats[] = {[CONFIG_FORMAT_LINE] = "line", [CONFIG_FORMAT_JSON] = "json"};

enum { KINDS = sizeof kinds / sizeof *kinds, FORMATS = sizeof formats / sizeof *formats };

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
    unsigned kind = find_name(node, kinds, KINDS);
    if (kind == KINDS)
        return schema_refuse(reading, node, option->path, "stdout or stderr");
    ((struct config_sink *)base)->to = kind;
    return true;
}

static bool read_format(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    unsigned format = find_name(node, formats, FORMATS);
    if (format == FORMATS)
        return schema_refuse(reading, node, option->path, "line or json");
    ((struct config_sink *)base)->format = format;
    return true;
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

static const struct type type_kind = {.read = read_kind}, type_level = {.read = read_level},
                         type_format = {.read = read_format};

static const struct option options[] = {
    {.path = "log.to", .type = &type_kind},
    {.path = "log.level", .type = &type_level},
    {.path = "log.format", .type = &type_format},
};
static const struct schema sink_schema = {options, sizeof options / sizeof *options};

/* ---- the list ---- */

static bool has(const struct node *mapping, const char *key)
{
    const struct node *child = mapping->first;
    while (child && (child->key->kind != NODE_SCALAR || strcmp(child->key->text, key) != 0))
        child = child->next;
    return child && kind_of(child) != KIND_NULL;
}

static void read_sink(struct reading *reading, const struct node *node, struct config_sink *sink)
{
    *sink = (struct config_sink){CONFIG_SINK_STDOUT, LEVEL_INFO, CONFIG_FORMAT_LINE};
    if (node->kind != NODE_MAPPING)
        schema_refuse(reading, node, "a sink of log", "a mapping such as {to: stdout, level: info}");
    else if (!has(node, "to"))
        problems_add(reading->problems, node->place, "a sink of log needs 'to': stdout or stderr");
    else
        schema_read(reading, &sink_schema, "log", node, sink, NULL);
}

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

static void print_sinks(struct buffer *out, const struct option *option, const void *base)
{
    (void)option;
    const struct config *config = base;
    for (size_t i = 0; i < config->log_count; i++)
        buffer_printf(out, "%s{to: %s, level: %s, format: %s}", i ? ", " : "[", kinds[config->log[i].to],
            level_name(config->log[i].level), formats[config->log[i].format]);
    buffer_append_text(out, "]");
}

static bool read_sink_levels(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    struct config *config = base;
    struct config_sink *sinks = (struct config_sink *)config->log; // ours since read_sinks()
    bool good = true;
    for (size_t i = 0; good && i < config->log_count; i++)
        good = read_level(reading, option, node, &sinks[i]);
    return good;
}

const struct type type_sinks = {read_sinks, print_sinks};
const struct type type_sink_levels = {.read = read_sink_levels};
