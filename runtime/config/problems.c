#include "config/problems.h"

#include "base/escape.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTED = 60 };

void problems_add(struct problems *problems, const char *place, const char *format, ...)
{
    if (problems->count++ >= PROBLEMS_SHOWN)
        return;
    char *what = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&what, format, arguments);
    va_end(arguments);
    buffer_printf(problems->lines, "%s: %s\n", place, length < 0 ? "out of memory" : what);
    if (length >= 0)
        free(what);
}

void problems_close(struct problems *problems)
{
    if (problems->count > PROBLEMS_SHOWN)
        buffer_printf(problems->lines, "and %zu more\n", problems->count - PROBLEMS_SHOWN);
}

static const char *escape(struct arena *arena, const char *text, size_t size)
{
    struct buffer line = {0};
    escape_append(&line, text, size, ESCAPE_LINE);
    const char *copy = arena_copy(arena, buffer_text(&line), buffer_size(&line));
    buffer_free(&line);
    return copy;
}

const char *problems_place(struct arena *arena, const char *name)
{
    return escape(arena, name, strlen(name));
}

const char *problems_quote(struct arena *arena, const char *text, size_t size)
{
    size_t kept = utf8_cut(text, size, QUOTED);
    return arena_printf(arena, "'%s%s'", escape(arena, text, kept), kept < size ? "…" : "");
}
