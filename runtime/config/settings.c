/* The user's own settings: any mapping, turned into the JSON that handlers see as lunastalk.settings. */
#include "base/json.h"
#include "config/kind.h"
#include "config/types.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool put_node(struct reading *reading, struct buffer *out, const struct node *node);

/* 0o17 and 0x1F, which JSON has not. */
static bool put_based(struct buffer *out, const char *text)
{
    errno = 0;
    unsigned long long number = strtoull(text + 2, NULL, text[1] == 'x' ? 16 : 8);
    buffer_printf(out, "%llu", number);
    return errno == 0;
}

/* The digits as written, so that an integer stays exact; JSON allows no +, no zeros in front, no bare dot. */
static bool put_decimal(struct buffer *out, const char *text)
{
    if (!text[strcspn(text, "0123456789")] || !isfinite(strtod(text, NULL)))
        return false; // .inf, .nan, 1e999
    if (*text == '-')
        buffer_append_text(out, "-");
    text += *text == '-' || *text == '+';
    while (text[0] == '0' && isdigit((unsigned char)text[1]))
        text++;
    if (*text == '.')
        buffer_append_text(out, "0");
    size_t whole = strcspn(text, ".");
    buffer_append(out, text, whole);
    if (text[whole] && !isdigit((unsigned char)text[whole + 1])) { // "1." and "1.e5"
        buffer_append_text(out, ".0");
        whole++;
    }
    buffer_append_text(out, text + whole);
    return true;
}

static bool put_number(struct reading *reading, struct buffer *out, const struct node *node)
{
    const char *text = node->text;
    bool based = text[0] == '0' && (text[1] == 'x' || text[1] == 'o');
    if (based ? put_based(out, text) : put_decimal(out, text))
        return true;
    problems_add(
        reading->problems, node->place, "settings cannot hold %s; put it in quotes", kind_found(reading->arena, node));
    return false;
}

static bool put_children(struct reading *reading, struct buffer *out, const struct node *node, char open, char close)
{
    bool good = true;
    buffer_append(out, &open, 1);
    for (const struct node *child = node->first; child; child = child->next) {
        if (child != node->first)
            buffer_append_text(out, ", ");
        if (child->key && child->key->kind == NODE_SCALAR) {
            json_quote(out, child->key->text, child->key->size);
            buffer_append_text(out, ": ");
        }
        good = put_node(reading, out, child) && good;
    }
    buffer_append(out, &close, 1);
    return good;
}

static bool put_node(struct reading *reading, struct buffer *out, const struct node *node)
{
    switch (kind_of(node)) {
    case KIND_LIST: return put_children(reading, out, node, '[', ']');
    case KIND_MAPPING: return put_children(reading, out, node, '{', '}');
    case KIND_INTEGER:
    case KIND_REAL: return put_number(reading, out, node);
    case KIND_NULL: buffer_append_text(out, "null"); return true;
    case KIND_BOOLEAN:
        buffer_append_text(out, tolower((unsigned char)*node->text) == 't' ? "true" : "false");
        return true;
    case KIND_STRING: json_quote(out, node->text, node->size); return true;
    }
    return false;
}

static bool read_settings(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    const struct node *mapping = schema_unfold(reading, node);
    struct buffer json = {0};
    if (!mapping)
        return false;
    if (mapping->kind != NODE_MAPPING)
        return schema_refuse(reading, mapping, option->path, "a mapping of keys to values");
    bool good = put_node(reading, &json, mapping);
    *(const char **)schema_member(option, base) = arena_copy(reading->arena, buffer_data(&json), buffer_size(&json));
    buffer_free(&json);
    return good;
}

static void print_settings(struct buffer *out, const struct option *option, const void *base)
{
    buffer_append_text(out, *(const char *const *)schema_const_member(option, base));
}

const struct type type_settings = {read_settings, print_settings};
