#include "config/schema.h"

#include <string.h>

enum { ORIGIN_COLUMN = 40, INDENT = 2 };

static void print_option(FILE *out, const struct loaded *loaded, size_t i, int depth, const char *key)
{
    const struct option *option = &schema.options[i];
    const char *const *origin = &loaded->origins[i];
    struct buffer line = {0};
    buffer_printf(&line, "%*s%s: ", INDENT * depth, "", key);
    option->type->print(&line, option, loaded);
    while (buffer_size(&line) < ORIGIN_COLUMN)
        buffer_append_text(&line, " ");
    buffer_printf(&line, " # %s", *origin ? *origin : "default");
    // An option that cannot be printed itself has changed the one before it.
    if (i + 1 < schema.count && !option[1].type->print && origin[1])
        buffer_printf(&line, "; %s: %s", strrchr(option[1].path, '.') + 1, origin[1]);
    buffer_append_text(&line, "\n");
    fwrite(buffer_data(&line), 1, buffer_size(&line), out);
    buffer_free(&line);
}

/* The sections that the path is in, but for those that hold the path before it too. Sets its last key; how deep. */
static int print_sections(FILE *out, const char *before, const char *path, const char **key)
{
    int depth = 0;
    *key = path;
    for (const char *dot; (dot = strchr(*key, '.')); depth++, *key = dot + 1)
        if (strncmp(before, path, (size_t)(dot - path) + 1) != 0)
            fprintf(out, "%*s%.*s:\n", INDENT * depth, "", (int)(dot - *key), *key);
    return depth;
}

void config_print(const struct config *config, FILE *out)
{
    const struct loaded *loaded = (const struct loaded *)config;
    const char *before = "", *key;
    for (size_t i = 0; i < schema.count; i++) {
        if (!schema.options[i].type->print)
            continue;
        int depth = print_sections(out, before, schema.options[i].path, &key);
        print_option(out, loaded, i, depth, key);
        before = schema.options[i].path;
    }
}
