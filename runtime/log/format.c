#include "log/format.h"

#include "base/utf8.h"

#include <string.h>
#include <time.h>

/* U+0085, U+2028 and U+2029 end lines for many readers; the C1 controls drive old terminals. */
static bool breaks_line(const char *c, size_t length)
{
    if (length == 1)
        return (unsigned char)*c < ' ' || *c == 0x7f;
    return (length == 2 && (unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0) ||
           (length == 3 && (memcmp(c, "\xe2\x80\xa8", 3) == 0 || memcmp(c, "\xe2\x80\xa9", 3) == 0));
}

static void escape(struct buffer *out, const char *c, size_t length)
{
    static const char *const controls = "\n\r\t", *const letters = "nrt";
    const char *known = length == 1 && *c ? strchr(controls, *c) : NULL;
    if (known)
        buffer_printf(out, "\\%c", letters[known - controls]);
    else if (length == 3)
        buffer_printf(out, "\\u%04x", 0x2000 | ((unsigned char)c[1] & 0x3f) << 6 | ((unsigned char)c[2] & 0x3f));
    else
        for (size_t i = 0; i < length; i++)
            buffer_printf(out, "\\x%02x", (unsigned char)c[i]);
}

/* The text, escaped and cut at FORMAT_VALUE_LONGEST with a mark. */
static void put_text(struct buffer *out, const char *text, size_t size)
{
    size_t shown = size < FORMAT_VALUE_LONGEST ? size : FORMAT_VALUE_LONGEST, plain = 0, at = 0;
    while (at < shown) {
        size_t length = utf8_length(text + at, shown - at);
        if (length && !breaks_line(text + at, length)) {
            at += length;
            continue;
        }
        buffer_append(out, text + plain, at - plain);
        escape(out, text + at, length ? length : 1);
        plain = at += length ? length : 1;
    }
    buffer_append(out, text + plain, at - plain);
    if (shown < size)
        buffer_printf(out, "… (%zu bytes more)", size - shown);
}

static void put_value(struct buffer *out, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_NUMBER: buffer_printf(out, "%llu", (unsigned long long)field->number); break;
    case LOG_SECONDS: buffer_printf(out, "%.6f", (double)field->number / 1e9); break;
    case LOG_TEXT:
    case LOG_LITERAL: put_text(out, field->text, field->size); break;
    }
}

static bool plain_text(const struct log_field *field)
{
    if (field->kind != LOG_TEXT)
        return true;
    for (size_t i = 0; i < field->size; i++)
        if ((unsigned char)field->text[i] <= ' ' || strchr("\"=\\", field->text[i]))
            return false;
    return field->size > 0;
}

/* A value behind "key=": in quotes when a reader could not tell where it ends. */
static void put_quoted(struct buffer *out, const struct log_field *field)
{
    if (plain_text(field)) {
        put_value(out, field);
        return;
    }
    buffer_append(out, "\"", 1);
    const char *text = field->text, *end = text + field->size;
    for (const char *quote; (quote = memchr(text, '"', (size_t)(end - text))); text = quote + 1) {
        put_text(out, text, (size_t)(quote - text));
        buffer_append(out, "\\\"", 2);
    }
    put_text(out, text, (size_t)(end - text));
    buffer_append(out, "\"", 1);
}

static int find_field(const struct log_field *fields, const char *key, size_t size)
{
    for (int i = 0; fields[i].key; i++)
        if (strlen(fields[i].key) == size && memcmp(fields[i].key, key, size) == 0)
            return i;
    return -1;
}

/* PSR-3, 1.2: {placeholders} that name a field become its value, others stay as they are. Returns which were used. */
static uint64_t put_message(struct buffer *out, const char *message, size_t size, const struct log_field *fields)
{
    uint64_t used = 0;
    const char *end = message + size, *open;
    for (; (open = memchr(message, '{', (size_t)(end - message))); message = open) {
        const char *close = memchr(open, '}', (size_t)(end - open));
        int field = close ? find_field(fields, open + 1, (size_t)(close - open) - 1) : -1;
        put_text(out, message, (size_t)(open - message));
        if (field >= 0) {
            put_value(out, &fields[field]);
            used |= field < 64 ? UINT64_C(1) << field : 0;
            open = close + 1;
        } else {
            buffer_append(out, open++, 1);
        }
    }
    put_text(out, message, (size_t)(end - message));
    return used;
}

static void put_time(struct buffer *out, uint64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    char text[32];
    gmtime_r(&seconds, &utc);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_append(out, text, length);
    buffer_printf(out, ".%03uZ", (unsigned)(time_ms % 1000));
}

void format_line(struct buffer *out, uint64_t time_ms, enum level level, const char *channel, const char *message,
    size_t size, const struct log_field *fields)
{
    put_time(out, time_ms);
    buffer_printf(out, " %s %s: ", level_name(level), channel);
    uint64_t used = put_message(out, message, size, fields);
    for (int i = 0; fields[i].key; i++) {
        if (i < 64 && used & UINT64_C(1) << i)
            continue;
        buffer_append(out, " ", 1);
        put_text(out, fields[i].key, strlen(fields[i].key));
        buffer_append(out, "=", 1);
        put_quoted(out, &fields[i]);
    }
    buffer_append(out, "\n", 1);
}
