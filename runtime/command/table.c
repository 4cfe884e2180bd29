#include "command/table.h"

#include "base/escape.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_add(struct table *table, const char *bytes, size_t size)
{
    struct buffer text = {0};
    // Escaped it is no shorter: what is cut here is cut there.
    size_t kept = size > TABLE_CELL_MOST ? TABLE_CELL_MOST + 4 : size;
    escape_append(&text, bytes, kept, ESCAPE_LINE);
    size_t shown = utf8_cut(buffer_data(&text), buffer_size(&text), TABLE_CELL_MOST);
    buffer_append(&table->cells, buffer_data(&text), shown);
    if (shown < buffer_size(&text))
        buffer_append_text(&table->cells, "…");
    buffer_append(&table->cells, "", 1);
    table->count++;
    buffer_free(&text);
}

void table_add_text(struct table *table, const char *text)
{
    table_add(table, text, strlen(text));
}

void table_add_format(struct table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    table_add_text(table, text);
}

/* Characters, as a terminal counts most of them. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static void measure(const struct table *table, size_t *widths)
{
    const char *cell = buffer_data(&table->cells);
    for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        size_t width = count_characters(cell), column = i % table->columns;
        widths[column] = width > widths[column] ? width : widths[column];
    }
}

void table_finish(struct table *table, struct buffer *out)
{
    size_t *widths = mem_new(table->columns * sizeof *widths);
    measure(table, widths);
    const char *cell = buffer_data(&table->cells);
    for (size_t i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
        bool last = (i + 1) % table->columns == 0;
        size_t pad = last ? 0 : widths[i % table->columns] - count_characters(cell) + 2;
        buffer_printf(out, "%s%*s%s", cell, (int)pad, "", last ? "\n" : "");
    }
    free(widths);
    buffer_free(&table->cells);
}
