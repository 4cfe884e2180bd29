#include "log/kept.h"

#include <string.h>

static size_t line_size(const char *line, size_t size)
{
    const char *end = memchr(line, '\n', size);
    return end ? (size_t)(end - line) + 1 : size;
}

/* What was begun moves into its place. */
static void drop_oldest(struct kept *kept)
{
    char *data = buffer_data(&kept->lines);
    size_t record = line_size(data + kept->begun, buffer_size(&kept->lines) - kept->begun);
    memmove(data + record, data, kept->begun);
    buffer_consume(&kept->lines, record);
    kept->dropped++;
}

void kept_add(struct kept *kept, const char *line, size_t size)
{
    size_t most = kept->most ? kept->most : KEPT_MOST;
    while (buffer_size(&kept->lines) > kept->begun && buffer_size(&kept->lines) + size > most)
        drop_oldest(kept);
    buffer_append(&kept->lines, line, size);
}

void kept_consume(struct kept *kept, size_t size)
{
    const char *data = buffer_data(&kept->lines);
    if (!size)
        return;
    kept->begun = data[size - 1] == '\n' ? 0 : line_size(data + size, buffer_size(&kept->lines) - size);
    buffer_consume(&kept->lines, size);
}

size_t kept_whole(const struct kept *kept, size_t most)
{
    const char *data = buffer_data(&kept->lines);
    size_t size = buffer_size(&kept->lines);
    if (size <= most)
        return size;
    const char *end = memrchr(data, '\n', most);
    return end ? (size_t)(end - data) + 1 : line_size(data, size);
}

unsigned long long kept_take_dropped(struct kept *kept)
{
    unsigned long long dropped = kept->dropped;
    kept->dropped = 0;
    return dropped;
}

unsigned long long kept_count(const char *lines, size_t size)
{
    unsigned long long count = 0;
    for (const char *end = lines + size; lines < end && (lines = memchr(lines, '\n', (size_t)(end - lines))); lines++)
        count++;
    return count;
}

unsigned long long kept_lost(const struct kept *kept)
{
    return kept_count(buffer_data(&kept->lines), buffer_size(&kept->lines)) + kept->dropped;
}
