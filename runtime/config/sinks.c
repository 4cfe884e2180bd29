#include "config/kind.h"
#include "config/types.h"

#include <string.h>

static const char *const kinds[] = {[CONFIG_SINK_STDOUT] = "stdout", [CONFIG_SINK_STDERR] = "stderr"};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- the options of one sink ---- */

static bool read_kind(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    for (unsigned kind = 0; node->kind == NODE_SCALAR && kind < KINDS; kind++) {
        if (strcmp(node->text, kinds[kind]) != 0)
            continue;
        ((struct config_sink *)base)->to = kind;
        return true;
    }
    return schema_refuse(reading, node, option->path, "stdout or stderr");
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

static const struct type type_kind = {.read = read_kind}, type_level = {.read = read_level};

static const struct option options[] = {
    {.path = "log.to", .type = &type_kind},
    {.path = "log.level", .type = &type_level},
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
    *sink = (struct config_sink){CONFIG_SINK_STDOUT, LEVEL_INFO};
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
        buffer_printf(
            out, "%s{to: %s, level: %s}", i ? ", " : "[", kinds[config->log[i].to], level_name(config->log[i].level));
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
