#ifndef LUNASTALK_COMMAND_TABLE_H
#define LUNASTALK_COMMAND_TABLE_H
/* A table of text, as wide as its cells. Zero-initialise but for `columns`, add a row of titles, then the rows. */
#include "base/buffer.h"

enum { TABLE_CELL_MOST = 60 }; // bytes; a longer cell is cut

struct table {
    size_t columns;
    struct buffer cells; // each ends with NUL
    size_t count;
};

/* Adds the next cell, escaped to one line and cut. */
void table_add(struct table *table, const char *bytes, size_t size);
void table_add_text(struct table *table, const char *text);
void table_add_format(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends the table and frees it. */
void table_finish(struct table *table, struct buffer *out);

#endif
