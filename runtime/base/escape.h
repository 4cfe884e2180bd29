#ifndef LUNASTALK_BASE_ESCAPE_H
#define LUNASTALK_BASE_ESCAPE_H
/*
 * Text of others made safe for a log, a terminal or quotes. Control characters (C0, DEL, C1), line separators, the
 * marks that turn the direction of writing, BOM and noncharacters become \n, \r, \t or \u001b, which JSON and YAML read
 * back between quotes; bytes that are no UTF-8 become \xff.
 */
#include "base/buffer.h"

enum escape_mode {
    ESCAPE_LINE,   // the result is one line
    ESCAPE_LINES,  // newlines stay
    ESCAPE_QUOTED, // to stand between double quotes: " and \ get a backslash
    ESCAPE_LATER,  // as it is: whoever gets it will
};

void escape_append(struct buffer *out, const char *bytes, size_t size, enum escape_mode mode);

#endif
