#ifndef LUNASTALK_CONFIG_PROBLEMS_H
#define LUNASTALK_CONFIG_PROBLEMS_H
/* What is wrong with a configuration, gathered so that a user sees all of it at once: "place: what" per line. */
#include "base/buffer.h"
#include "config/arena.h"

/* Lines that are written; what comes after is only counted, so that no file makes an endless message. */
enum { PROBLEMS_SHOWN = 50 };

struct problems {
    struct buffer *lines;
    size_t count;
};

void problems_add(struct problems *problems, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says how many were not written. Called once, at the end. */
void problems_close(struct problems *problems);
/* The name of a file, variable or flag as a place, escaped so that it stays on its line. */
const char *problems_place(struct arena *arena, const char *name);
/* Text of a user between single quotes, escaped likewise, and cut after 60 bytes. */
const char *problems_quote(struct arena *arena, const char *text, size_t size);

#endif
