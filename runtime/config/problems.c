#include "config/problems.h"

#include "base/json.h"

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

/* Between the quotes of a JSON string there is no control character and no invalid UTF-8. */
static const char *escape(struct arena *arena, const char *text, size_t size)
{
    struct buffer quoted = {0};
    json_quote(&quoted, text, size);
    const char *inside = arena_copy(arena, buffer_data(&quoted) + 1, buffer_size(&quoted) - 2);
    buffer_free(&quoted);
    return inside;
}

const char *problems_place(struct arena *arena, const char *name)
{
    return escape(arena, name, strlen(name));
}

const char *problems_quote(struct arena *arena, const char *text, size_t size)
{
    size_t kept = size > QUOTED ? QUOTED : size;
    while (kept < size && kept && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--;
    return arena_printf(arena, "'%s%s'", escape(arena, text, kept), kept < size ? "…" : "");
}
