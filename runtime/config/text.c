#include "base/json.h"
#include "config/kind.h"
#include "config/types.h"

#include <string.h>

/* Given text is text, whatever YAML would see in it. */
static bool is_text(const struct node *node)
{
    return node->given || kind_of(node) == KIND_STRING;
}

static bool accept_text(struct reading *reading, const struct option *option, const struct node *node)
{
    enum kind kind = kind_of(node);
    if (is_text(node) && strlen(node->text) == node->size && option->accepts(node->text))
        return true;
    if (is_text(node) || (kind != KIND_INTEGER && kind != KIND_REAL && kind != KIND_BOOLEAN))
        return schema_refuse(reading, node, option->path, option->expected);
    problems_add(reading->problems, node->place, "%s must be text, not %s; put it in quotes", option->path,
        kind_found(reading->arena, node));
    return false;
}

static bool read_text(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    if (!accept_text(reading, option, node))
        return false;
    *(const char **)schema_member(option, base) = node->text;
    return true;
}

static bool read_path(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    if (!accept_text(reading, option, node))
        return false;
    *(const char **)schema_member(option, base) =
        *node->text == '/' ? node->text : arena_printf(reading->arena, "%s/%s", reading->directory, node->text);
    return true;
}

/* Without quotes only what reads as the same text anywhere in YAML. */
static void put_text(struct buffer *out, const char *text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:-";
    size_t size = strlen(text);
    struct node plain = {.plain = true, .text = text, .size = size};
    if (text[strspn(text, safe)] || strchr(":-", text[0]) || text[size - 1] == ':' || kind_of(&plain) != KIND_STRING)
        json_quote(out, text, size);
    else
        buffer_append(out, text, size);
}

static void print_text(struct buffer *out, const struct option *option, const void *base)
{
    const char *text = *(const char *const *)schema_const_member(option, base);
    if (text)
        put_text(out, text);
    else
        buffer_append_text(out, "null");
}

/* Nothing that is printed, not even a refusal, shows what it is. */
static bool read_secret(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    if (!is_text(node) || strlen(node->text) != node->size || !option->accepts(node->text)) {
        problems_add(reading->problems, node->place, "%s must be %s", option->path, option->expected);
        return false;
    }
    *(const char **)schema_member(option, base) = node->text;
    return true;
}

static void print_secret(struct buffer *out, const struct option *option, const void *base)
{
    buffer_append_text(out, *(const char *const *)schema_const_member(option, base) ? "\"***\"" : "null");
}

const struct type type_secret = {read_secret, print_secret};
const struct type type_text = {read_text, print_text};
const struct type type_path = {read_path, print_text};

/* ---- a list of texts ---- */

/* "a, b" from a variable or a flag, as a list. */
static const struct node *split(struct reading *reading, const struct node *node)
{
    struct node *list = arena_new(reading->arena, sizeof *list), **last = &list->first;
    *list = (struct node){.kind = NODE_LIST, .place = node->place};
    for (const char *text = node->text;; text++) {
        text += strspn(text, " ");
        size_t size = strcspn(text, ","), kept = size;
        while (kept && text[kept - 1] == ' ')
            kept--;
        *last = node_given(reading->arena, arena_copy(reading->arena, text, kept), node->place);
        last = &(*last)->next;
        list->count++;
        text += size;
        if (!*text)
            return list;
    }
}

static const struct node *as_list(struct reading *reading, const struct node *node)
{
    if (!node->given)
        return node;
    return *node->text == '[' ? schema_unfold(reading, node) : split(reading, node);
}

static bool is_new(struct reading *reading, const struct option *option, const struct node *node,
    const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], node->text) != 0)
            continue;
        problems_add(reading->problems, node->place, "%s names '%s' twice", option->path, node->text);
        return false;
    }
    return true;
}

static bool read_texts(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    const struct node *list = as_list(reading, node);
    if (!list)
        return false;
    if (list->kind != NODE_LIST || list->count < option->least || list->count > option->most)
        return schema_refuse(reading, list, option->path,
            arena_printf(reading->arena, "a list of %u to %u names", option->least, option->most));
    const char **texts = arena_new(reading->arena, list->count * sizeof *texts);
    size_t count = 0;
    for (const struct node *item = list->first; item; item = item->next)
        if (accept_text(reading, option, item) && is_new(reading, option, item, texts, count))
            texts[count++] = item->text;
    *(const char *const **)schema_member(option, base) = texts;
    *(size_t *)((char *)base + option->counter) = count;
    return true;
}

static void print_texts(struct buffer *out, const struct option *option, const void *base)
{
    const char *const *texts = *(const char *const *const *)schema_const_member(option, base);
    size_t count = *(const size_t *)((const char *)base + option->counter);
    buffer_append_text(out, "[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i ? ", " : "");
        put_text(out, texts[i]);
    }
    buffer_append_text(out, "]");
}

const struct type type_texts = {read_texts, print_texts};
