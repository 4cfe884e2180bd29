#include "base/buffer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP = 256 * 1024, FIRST = 512 };

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->end >= size)
        return buffer->memory + buffer->end;
    size_t used = buffer_size(buffer), capacity = buffer->capacity ? buffer->capacity : FIRST;
    // Moving to the front, with half of the memory free behind it, keeps appends linear.
    while (capacity - used < size || capacity - used < used)
        capacity *= 2;
    if (capacity > buffer->capacity) {
        buffer->memory = mem_resize(buffer->memory, capacity);
        buffer->capacity = capacity;
    }
    if (buffer->start)
        memmove(buffer->memory, buffer->memory + buffer->start, used);
    buffer->start = 0;
    buffer->end = used;
    return buffer_reserve(buffer, size);
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    buffer->end += size;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (!size)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer->end += size;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    char *room = buffer_reserve(buffer, 64);
    size_t available = buffer->capacity - buffer->end;
    int length = vsnprintf(room, available, format, arguments);
    if (length > 0 && (size_t)length >= available)
        vsnprintf(buffer_reserve(buffer, (size_t)length + 1), (size_t)length + 1, format, again);
    if (length > 0)
        buffer->end += (size_t)length;
    va_end(again);
    va_end(arguments);
}

const char *buffer_text(struct buffer *buffer)
{
    *buffer_reserve(buffer, 1) = '\0';
    return buffer_data(buffer);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start < buffer->end)
        return;
    buffer->start = buffer->end = 0;
    if (buffer->capacity > KEEP)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->memory);
    *buffer = (struct buffer){0};
}
