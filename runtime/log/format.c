#include "log/format.h"

#include "base/utf8.h"

#include <string.h>
#include <time.h>

static void put_cut(struct buffer *out, size_t more)
{
    if (more)
        buffer_printf(out, "… (%zu bytes more)", more);
}

void format_text(struct buffer *out, const char *text, size_t size, enum escape_mode mode)
{
    size_t shown = utf8_cut(text, size, FORMAT_VALUE_LONGEST);
    escape_append(out, text, shown, mode);
    put_cut(out, size - shown);
}

static void put_value(struct buffer *out, const struct log_field *field, enum escape_mode mode)
{
    switch (field->kind) {
    case LOG_ID:
    case LOG_NUMBER: buffer_printf(out, "%llu", (unsigned long long)field->number); break;
    case LOG_SECONDS: buffer_printf(out, "%.6f", (double)field->number / 1e9); break;
    case LOG_TEXT:
    case LOG_LITERAL: format_text(out, field->text, field->size, mode); break;
    }
}

static bool is_plain(const struct log_field *field)
{
    if (field->kind != LOG_TEXT && field->kind != LOG_LITERAL)
        return true;
    for (size_t i = 0; i < field->size; i++)
        if ((unsigned char)field->text[i] <= ' ' || strchr("\"=\\", field->text[i]))
            return false;
    return field->size > 0;
}

/* In quotes when a reader could not tell where it ends. */
static void put_quoted(struct buffer *out, const struct log_field *field)
{
    if (is_plain(field)) {
        put_value(out, field, ESCAPE_LINE);
        return;
    }
    buffer_append(out, "\"", 1);
    put_value(out, field, ESCAPE_QUOTED);
    buffer_append(out, "\"", 1);
}

/* What is escaped later may grow to six times as much. */
static bool is_full(const struct buffer *line, enum escape_mode mode)
{
    return buffer_size(line) >= (mode == ESCAPE_LATER ? FORMAT_LINE_LONGEST / 8 : FORMAT_LINE_LONGEST);
}

static int find_field(const struct log_field *fields, const char *key, size_t size)
{
    for (int i = 0; fields[i].key; i++)
        if (strlen(fields[i].key) == size && memcmp(fields[i].key, key, size) == 0)
            return i;
    return -1;
}

/* The end of the placeholder's name that begins at `at`; no name has a brace inside. */
static const char *name_end(const char *at, const char *end)
{
    while (at < end && *at != '{' && *at != '}')
        at++;
    return at;
}

/* PSR-3, 1.2: {placeholders} that name a field become its value, others stay as they are. Returns which were used. */
uint64_t format_message(
    struct buffer *out, const char *message, size_t size, const struct log_field *fields, enum escape_mode mode)
{
    uint64_t used = 0;
    size_t shown = utf8_cut(message, size, FORMAT_VALUE_LONGEST);
    const char *end = message + shown, *open, *close;
    for (; (open = memchr(message, '{', (size_t)(end - message))); message = close) {
        close = name_end(open + 1, end);
        int field = close < end && *close == '}' && !is_full(out, mode)
                        ? find_field(fields, open + 1, (size_t)(close - open) - 1)
                        : -1;
        format_text(out, message, (size_t)((field < 0 ? close : open) - message), mode);
        if (field < 0)
            continue;
        put_value(out, &fields[field], mode);
        used |= field < 64 ? UINT64_C(1) << field : 0;
        close++;
    }
    format_text(out, message, (size_t)(end - message), mode);
    put_cut(out, size - shown);
    return used;
}

void format_time(struct buffer *out, uint64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    char text[32];
    gmtime_r(&seconds, &utc);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_append(out, text, length);
    buffer_printf(out, ".%03u", (unsigned)(time_ms % 1000));
}

static void put_level(struct buffer *out, enum level level, bool coloured)
{
    static const char *const colours[LEVEL_COUNT] = {"2", "32", "36", "33", "31", "1;31", "1;31", "1;37;41"};
    if (coloured && level < LEVEL_COUNT)
        buffer_printf(out, "Z \x1b[%sm%s\x1b[0m ", colours[level], level_name(level));
    else
        buffer_printf(out, "Z %s ", level_name(level));
}

/* Those of `fields` that no placeholder has used, and are `more` or not. False: the line is full. */
static bool put_fields(struct buffer *out, const struct log_field *fields, uint64_t used, bool more)
{
    for (int i = 0; fields[i].key; i++) {
        if ((i < 64 && used & UINT64_C(1) << i) || fields[i].more != more)
            continue;
        if (is_full(out, ESCAPE_LINE))
            return false;
        buffer_append_text(out, " ");
        put_quoted(out, &F_BYTES("", fields[i].key, strlen(fields[i].key)));
        buffer_append_text(out, "=");
        put_quoted(out, &fields[i]);
    }
    return true;
}

void format_line(struct buffer *out, const struct format_record *record, bool coloured, const char *origin)
{
    const struct log_field *fields = record->fields;
    format_time(out, record->time_ms);
    put_level(out, record->level, coloured);
    format_text(out, record->channel, strlen(record->channel), ESCAPE_LINE);
    buffer_append_text(out, ": ");
    uint64_t used = format_message(out, record->message, record->size, fields, ESCAPE_LINE);
    if (!put_fields(out, fields, used, false) || (*origin && !put_fields(out, fields, used, true)))
        buffer_append_text(out, " …");
    buffer_append_text(out, origin);
    buffer_append_text(out, "\n");
}
