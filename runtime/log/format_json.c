#include "base/json.h"
#include "log/format.h"

#include <ctype.h>
#include <string.h>

/* Monolog's numbers of the levels. */
static const unsigned numbers[LEVEL_COUNT] = {100, 200, 250, 300, 400, 500, 550, 600};

static void put_string(struct buffer *out, const char *bytes, size_t size)
{
    struct buffer cut = {0};
    if (size > FORMAT_VALUE_LONGEST) {
        format_text(&cut, bytes, size, ESCAPE_LATER);
        json_quote(out, buffer_data(&cut), buffer_size(&cut));
    } else {
        json_quote(out, bytes, size);
    }
    buffer_free(&cut);
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ')
            return true;
    return false;
}

/* A literal of a handler's process is what it says it is, on one line, or a string. */
static void put_literal(struct buffer *out, const char *text, size_t size)
{
    enum { DEEPEST = 20 };
    struct error ignored;
    struct json *json = has_control(text, size) ? NULL : json_parse(text, size, DEEPEST, &ignored);
    if (json)
        escape_append(out, text, size, ESCAPE_LINE); // what it escapes is only inside of strings
    else
        put_string(out, text, size);
    json_free(json);
}

/* Bytes of "jobs/send.lua:12" in front of a Lua error's ": message"; 0: it has no position. */
static size_t position_size(const char *text, size_t size)
{
    const char *end = memmem(text, size, ": ", 2), *at = end;
    while (at && at > text && isdigit((unsigned char)at[-1]))
        at--;
    return at && at != end && at > text + 1 && at[-1] == ':' ? (size_t)(end - text) : 0;
}

/* A Lua error as Monolog shows an exception: its message, where it was raised, and the lines of its traceback. */
static void put_exception(struct buffer *out, const char *text, size_t size)
{
    static const char mark[] = "\nstack traceback:";
    const char *trace = memmem(text, size, mark, sizeof mark - 1), *end = text + size;
    size_t message = trace ? (size_t)(trace - text) : size, position = position_size(text, message);
    if (!trace && !position) { // PSR-3: the key may hold anything
        put_string(out, text, size);
        return;
    }
    buffer_append_text(out, "{\"class\":\"Lua error\",\"message\":");
    put_string(out, position ? text + position + 2 : text, position ? message - position - 2 : message);
    buffer_append_text(out, ",\"code\":0");
    if (position) {
        buffer_append_text(out, ",\"file\":");
        put_string(out, text, position);
    }
    buffer_append_text(out, ",\"trace\":[");
    const char *comma = "";
    for (const char *line = trace ? memchr(trace + 1, '\n', (size_t)(end - trace) - 1) : NULL; line;) {
        const char *start = line + 1;
        line = memchr(start, '\n', (size_t)(end - start));
        while (start < end && *start == '\t')
            start++;
        buffer_append_text(out, comma);
        put_string(out, start, (size_t)((line ? line : end) - start));
        comma = ",";
    }
    buffer_append_text(out, "]}");
}

static void put_value(struct buffer *out, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_NUMBER: buffer_printf(out, "%llu", (unsigned long long)field->number); break;
    case LOG_ID: buffer_printf(out, "\"%llu\"", (unsigned long long)field->number); break;
    case LOG_SECONDS: buffer_printf(out, "%.6f", (double)field->number / 1e9); break;
    case LOG_TEXT:
        if (field->size && strcmp(field->key, "exception") == 0)
            put_exception(out, field->text, field->size);
        else
            put_string(out, field->text, field->size);
        break;
    case LOG_LITERAL: put_literal(out, field->text, field->size); break;
    }
}

/* The members of those fields that tell of the job, or of the others; "" and the first alike follow `comma`. */
static void put_fields(struct buffer *out, const struct log_field *fields, bool of_job, const char *comma)
{
    for (int i = 0; fields[i].key; i++) {
        if (fields[i].of_job != of_job)
            continue;
        buffer_append_text(out, comma);
        comma = ",";
        if (buffer_size(out) >= FORMAT_LINE_LONGEST) {
            buffer_append_text(out, "\"…\":\"…\"");
            return;
        }
        put_string(out, fields[i].key, strlen(fields[i].key));
        buffer_append_text(out, ":");
        put_value(out, &fields[i]);
    }
}

/* Monolog spells them in capitals. */
static void put_level_name(struct buffer *out, enum level level)
{
    for (const char *name = level_name(level); *name; name++)
        buffer_append(out, &(char){(char)toupper((unsigned char)*name)}, 1);
}

void format_json(struct buffer *out, const struct format_record *record, const char *origin)
{
    struct buffer message = {0};
    format_message(&message, record->message, record->size, record->fields, ESCAPE_LATER);
    buffer_append_text(out, "{\"message\":");
    json_quote(out, buffer_data(&message), buffer_size(&message));
    buffer_free(&message);
    buffer_append_text(out, ",\"context\":{");
    put_fields(out, record->fields, false, "");
    buffer_printf(out, "},\"level\":%u,\"level_name\":\"", record->level < LEVEL_COUNT ? numbers[record->level] : 0);
    put_level_name(out, record->level);
    buffer_append_text(out, "\",\"channel\":");
    put_string(out, record->channel, strlen(record->channel));
    buffer_append_text(out, ",\"datetime\":\"");
    format_time(out, record->time_ms);
    buffer_printf(out, "000+00:00\",\"extra\":{%s", origin);
    put_fields(out, record->fields, true, *origin ? "," : "");
    buffer_append_text(out, "}}\n");
}
