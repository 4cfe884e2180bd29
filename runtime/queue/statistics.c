#include "queue/statistics.h"

#include "base/json.h"
#include "queue/beanstalkd_protocol.h"

#include <stdio.h>
#include <string.h>

enum { KEY_LONGEST = 63, DIGITS_MOST = 18 };

static bool in_list(const char *const *list, const char *key)
{
    for (; *list; list++)
        if (strcmp(*list, key) == 0)
            return true;
    return false;
}

static size_t count_digits(const char *text, size_t size)
{
    size_t count = 0;
    while (count < size && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

/* "17", "0.010559": as JSON writes numbers, and small enough for 64 bits. */
static bool is_number(const char *value, size_t size)
{
    size_t whole = count_digits(value, size);
    if (!whole || whole > DIGITS_MOST || (value[0] == '0' && whole > 1))
        return false;
    if (whole == size)
        return true;
    size_t fraction = count_digits(value + whole + 1, size - whole - 1);
    return value[whole] == '.' && fraction && whole + 1 + fraction == size;
}

static bool is_literal(const char *key, const char *value, size_t size)
{
    static const char *const texts[] = {"id", "name", "tube", "state", "version", "hostname", "os", "platform", NULL};
    if (in_list(texts, key))
        return false;
    return is_number(value, size) || (size == 4 && memcmp(value, "true", 4) == 0) ||
           (size == 5 && memcmp(value, "false", 5) == 0);
}

static void append_key(struct buffer *out, const char *key)
{
    buffer_append_text(out, "\"");
    for (; *key; key++)
        buffer_append(out, *key == '-' ? "_" : key, 1);
    buffer_append_text(out, "\":");
}

static void append_member(struct buffer *out, const struct buffer *yaml, const char *key, const char *const *own)
{
    size_t size;
    const char *value = beanstalkd_stat(buffer_data(yaml), buffer_size(yaml), key, &size);
    append_key(out, key);
    if (in_list(own, key)) {
        uint64_t number = beanstalkd_stat_number(buffer_data(yaml), buffer_size(yaml), key, 0);
        buffer_printf(out, "%llu", (unsigned long long)(number ? number - 1 : 0));
    } else if (is_literal(key, value, size)) {
        buffer_append(out, value, size);
    } else {
        json_quote(out, value, size);
    }
}

/* The key of the line "key: value"; false for other lines ("---"). */
static bool read_key(const char *line, size_t length, char key[KEY_LONGEST + 1])
{
    const char *colon = memchr(line, ':', length);
    size_t size = colon ? (size_t)(colon - line) : 0;
    if (!size || size > KEY_LONGEST || size + 2 > length || colon[1] != ' ')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", line[i]) || !line[i])
            return false;
    memcpy(key, line, size);
    key[size] = '\0';
    return true;
}

void statistics_object(struct buffer *out, const struct buffer *yaml, const char *const *own)
{
    const char *line = buffer_data(yaml), *end = line + buffer_size(yaml), *comma = "";
    buffer_append_text(out, "{");
    while (line < end) {
        char key[KEY_LONGEST + 1];
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline ? newline : end) - line);
        if (read_key(line, length, key)) {
            buffer_append_text(out, comma);
            append_member(out, yaml, key, own);
            comma = ",";
        }
        line += length + (newline ? 1 : 0);
    }
    buffer_append_text(out, "}");
}

void statistics_list(struct buffer *out, const struct buffer *yaml)
{
    const char *comma = "", *entry;
    size_t at = 0, size;
    buffer_append_text(out, "[");
    while ((entry = beanstalkd_list_next(buffer_data(yaml), buffer_size(yaml), &at, &size))) {
        buffer_append_text(out, comma);
        json_quote(out, entry, size);
        comma = ",";
    }
    buffer_append_text(out, "]");
}
