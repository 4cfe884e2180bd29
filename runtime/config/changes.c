/* What a reload does not take over. */
#include "config/types.h"

#include <string.h>

static bool is_reloaded(const struct option *option)
{
    return strncmp(option->path, "jobs.", 5) == 0 || strncmp(option->path, "log", 3) == 0 ||
           strcmp(option->path, "settings") == 0;
}

/* A secret is compared as it is: what is printed of it is always the same. */
static void show(struct buffer *out, const struct option *option, const struct config *config)
{
    const char *secret = option->type == &type_secret ? *(char *const *)schema_const_member(option, config) : NULL;
    if (secret)
        buffer_append_text(out, secret);
    else if (option->type->print)
        option->type->print(out, option, config);
}

static bool differs(const struct option *option, const struct config *before, const struct config *after)
{
    struct buffer texts[2] = {{0}, {0}};
    show(&texts[0], option, before);
    show(&texts[1], option, after);
    bool same = strcmp(buffer_text(&texts[0]), buffer_text(&texts[1])) == 0;
    buffer_free(&texts[0]);
    buffer_free(&texts[1]);
    return !same;
}

void config_changes(const struct config *before, const struct config *after, struct buffer *paths)
{
    for (size_t i = 0; i < schema.count; i++) {
        const struct option *option = &schema.options[i];
        if (!is_reloaded(option) && differs(option, before, after))
            buffer_printf(paths, "%s%s", buffer_size(paths) ? ", " : "", option->path);
    }
}
