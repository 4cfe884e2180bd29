#include "config/kind.h"
#include "config/types.h"
#include "config/units.h"

#define MB (UINT64_C(1) << 20)

static bool read_number(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    uint64_t number;
    if (kind_of(node) != KIND_INTEGER || !units_number(node->text, &number) || number < option->least ||
        number > option->most)
        return schema_refuse(reading, node, option->path,
            arena_printf(reading->arena, "a whole number from %u to %u", option->least, option->most));
    *(unsigned *)schema_member(option, base) = (unsigned)number;
    return true;
}

static void print_number(struct buffer *out, const struct option *option, const void *base)
{
    buffer_printf(out, "%u", *(const unsigned *)schema_const_member(option, base));
}

const struct type type_number = {read_number, print_number};

/* `unit_ms` is that of the member and of the option's limits. */
static bool read_duration(
    struct reading *reading, const struct option *option, const struct node *node, void *base, uint64_t unit_ms)
{
    uint64_t ms;
    if (node->kind == NODE_SCALAR && units_duration(node->text, &ms) && ms % unit_ms == 0 &&
        ms / unit_ms >= option->least && ms / unit_ms <= option->most) {
        *(unsigned *)schema_member(option, base) = (unsigned)(ms / unit_ms);
        return true;
    }
    struct buffer expected = {0};
    buffer_append_text(&expected, "a duration from ");
    units_print(&expected, option->least * unit_ms);
    buffer_append_text(&expected, " to ");
    units_print(&expected, option->most * unit_ms);
    buffer_append_text(&expected, unit_ms == 1 ? ", such as 250ms, 25s or 5m" : " of whole seconds, such as 25s or 5m");
    schema_refuse(reading, node, option->path, buffer_text(&expected));
    buffer_free(&expected);
    return false;
}

static void print_duration(struct buffer *out, const struct option *option, const void *base, uint64_t unit_ms)
{
    unsigned value = *(const unsigned *)schema_const_member(option, base);
    if (value < option->least) // not set, and without a default
        buffer_append_text(out, "null");
    else
        units_print(out, value * unit_ms);
}

static bool read_milliseconds(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    return read_duration(reading, option, node, base, 1);
}

static void print_milliseconds(struct buffer *out, const struct option *option, const void *base)
{
    print_duration(out, option, base, 1);
}

static bool read_seconds(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    return read_duration(reading, option, node, base, 1000);
}

static void print_seconds(struct buffer *out, const struct option *option, const void *base)
{
    print_duration(out, option, base, 1000);
}

const struct type type_milliseconds = {read_milliseconds, print_milliseconds};
const struct type type_seconds = {read_seconds, print_seconds};

/* The option's limits are in MB; 0 is "no limit" and always accepted. */
static bool read_size(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    uint64_t bytes;
    if (node->kind != NODE_SCALAR || !units_size(node->text, &bytes) ||
        (bytes && (bytes < option->least * MB || bytes > option->most * MB)))
        return schema_refuse(reading, node, option->path,
            arena_printf(reading->arena, "a size from %uMB to %uMB, such as 512MB, or 0 for no limit", option->least,
                option->most));
    *(uint64_t *)schema_member(option, base) = bytes;
    return true;
}

static void print_size(struct buffer *out, const struct option *option, const void *base)
{
    units_print_size(out, *(const uint64_t *)schema_const_member(option, base));
}

const struct type type_size = {read_size, print_size};
