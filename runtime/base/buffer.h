#ifndef LUNASTALK_BASE_BUFFER_H
#define LUNASTALK_BASE_BUFFER_H
/*
 * A growing queue of bytes: append at the end, consume at the front. Zero-initialise to use. Pointers into it are
 * good until the next call that appends, reserves or consumes.
 */
#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *memory;
    size_t start, end, capacity;
};

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline char *buffer_data(const struct buffer *buffer)
{
    return (char *)((uintptr_t)buffer->memory + buffer->start); // as a number: NULL + 0 is undefined in C
}

/* Room for at least `size` more bytes at the end; write there, then buffer_commit() what was written. */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_commit(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A NUL behind the bytes, which does not count as one of them; returns the text. */
const char *buffer_text(struct buffer *buffer);
/* Drops `size` bytes at the front. An emptied buffer that had grown beyond 256 KB gives its memory back. */
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_free(struct buffer *buffer);

#endif
