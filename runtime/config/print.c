#include "base/utf8.h"
#include "config/schema.h"

#include <string.h>

enum { ORIGIN_COLUMN = 40 };

/* Whether YAML forbids the character as it stands (C1 controls, BOM, noncharacters) or folds it (its line breaks). */
static bool needs_escape(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (length == 2)
        return b[0] == 0xc2 && b[1] < 0xa0;
    return length == 3 && (memcmp(b, "\xe2\x80\xa8", 3) == 0 || memcmp(b, "\xe2\x80\xa9", 3) == 0 ||
                              memcmp(b, "\xef\xbb\xbf", 3) == 0 || memcmp(b, "\xef\xbf\xbe", 3) == 0 ||
                              memcmp(b, "\xef\xbf\xbf", 3) == 0);
}

static unsigned code_point(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return length == 2 ? (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu)
                       : (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
}

/* What needs it stands between double quotes or in a comment. */
static void write_escaped(FILE *out, const char *bytes, size_t size)
{
    for (size_t at = 0, length; at < size; at += length) {
        length = utf8_length(bytes + at, size - at);
        length += !length;
        if (needs_escape(bytes + at, length))
            fprintf(out, "\\u%04x", code_point(bytes + at, length));
        else
            fwrite(bytes + at, 1, length, out);
    }
}

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
    write_escaped(out, buffer_data(&line), buffer_size(&line));
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
