#include "config/schema.h"

#include <string.h>

enum { ORIGIN_COLUMN = 40 };

static void print_option(FILE *out, const struct loaded *loaded, size_t i, const char *indent, const char *name)
{
    const struct option *option = &schema.options[i];
    const char *const *origin = &loaded->origins[i];
    struct buffer line = {0};
    buffer_printf(&line, "%s%s: ", indent, name);
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

void config_print(const struct config *config, FILE *out)
{
    const struct loaded *loaded = (const struct loaded *)config;
    const char *section = "";
    for (size_t i = 0; i < schema.count; i++) {
        const char *path = schema.options[i].path, *dot = strchr(path, '.');
        if (!schema.options[i].type->print)
            continue;
        if (!dot) {
            print_option(out, loaded, i, "", path);
            continue;
        }
        size_t length = (size_t)(dot - path);
        if (strncmp(section, path, length + 1) != 0)
            fprintf(out, "%.*s:\n", (int)length, path);
        section = path;
        print_option(out, loaded, i, "  ", dot + 1);
    }
}
