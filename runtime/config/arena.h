#ifndef LUNASTALK_CONFIG_ARENA_H
#define LUNASTALK_CONFIG_ARENA_H
/* Memory that is given back all at once: what reading a configuration allocates lives until config_free(). */
#include <stddef.h>

struct arena {
    struct arena_block *blocks;
};

/* Zeroed memory. */
void *arena_new(struct arena *arena, size_t size);
/* A NUL-terminated copy of `size` bytes. */
char *arena_copy(struct arena *arena, const char *bytes, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
void arena_free(struct arena *arena);

#endif
