#include "config/kind.h"

#include <string.h>

#define DIGITS "0123456789"
#define HEX    DIGITS "abcdefABCDEF"

#define IS_ONE_OF(text, ...) is_one_of((text), (const char *const[]){__VA_ARGS__, NULL})

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words;
}

static bool is_all(const char *text, const char *set)
{
    return *text && !text[strspn(text, set)];
}

static const char *behind_sign(const char *text)
{
    return text + (*text == '-' || *text == '+');
}

static bool is_integer(const char *text)
{
    if (strncmp(text, "0o", 2) == 0)
        return is_all(text + 2, "01234567");
    if (strncmp(text, "0x", 2) == 0)
        return is_all(text + 2, HEX);
    return is_all(behind_sign(text), DIGITS);
}

static bool is_real(const char *text)
{
    if (IS_ONE_OF(text, ".nan", ".NaN", ".NAN") || IS_ONE_OF(behind_sign(text), ".inf", ".Inf", ".INF"))
        return true;
    text = behind_sign(text);
    size_t whole = strspn(text, DIGITS), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = strspn(++text, DIGITS);
        text += fraction;
    }
    if (!whole && !fraction)
        return false;
    if (*text == 'e' || *text == 'E')
        return is_all(behind_sign(text + 1), DIGITS);
    return !*text;
}

static enum kind kind_of_plain(const char *text)
{
    if (IS_ONE_OF(text, "", "~", "null", "Null", "NULL"))
        return KIND_NULL;
    if (IS_ONE_OF(text, "true", "True", "TRUE", "false", "False", "FALSE"))
        return KIND_BOOLEAN;
    return is_integer(text) ? KIND_INTEGER : is_real(text) ? KIND_REAL : KIND_STRING;
}

enum kind kind_of(const struct node *node)
{
    switch (node->kind) {
    case NODE_LIST: return KIND_LIST;
    case NODE_MAPPING: return KIND_MAPPING;
    case NODE_SCALAR: break;
    }
    return node->plain ? kind_of_plain(node->text) : KIND_STRING;
}

const char *kind_found(struct arena *arena, const struct node *node)
{
    switch (kind_of(node)) {
    case KIND_LIST: return node->count ? arena_printf(arena, "a list of %zu", node->count) : "an empty list";
    case KIND_MAPPING: return "a mapping";
    case KIND_NULL: return node->given ? "''" : "null";
    case KIND_BOOLEAN: return node->text;
    case KIND_INTEGER:
    case KIND_REAL:
        if (!node->given)
            return arena_printf(arena, "the number %.40s", node->text);
        break;
    case KIND_STRING: break;
    }
    return problems_quote(arena, node->text, node->size);
}
