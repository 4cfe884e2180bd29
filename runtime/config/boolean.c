#include "config/kind.h"
#include "config/types.h"

#include <ctype.h>

static bool read_boolean(struct reading *reading, const struct option *option, const struct node *node, void *base)
{
    if (kind_of(node) != KIND_BOOLEAN)
        return schema_refuse(reading, node, option->path, "true or false");
    *(bool *)schema_member(option, base) = tolower((unsigned char)*node->text) == 't';
    return true;
}

static void print_boolean(struct buffer *out, const struct option *option, const void *base)
{
    buffer_append_text(out, *(const bool *)schema_const_member(option, base) ? "true" : "false");
}

const struct type type_boolean = {read_boolean, print_boolean};
