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

/* A literal of a handler's process is what it says it is, or a string. */
static void put_literal(struct buffer *out, const char *text, size_t size)
{
    struct error ignored;
    struct json *json = json_parse(text, size, 1, &ignored);
    if (json)
        buffer_append(out, text, size);
    else
        put_string(out, text, size);
    json_free(json);
}

static void put_value(struct buffer *out, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_NUMBER: buffer_printf(out, "%llu", (unsigned long long)field->number); break;
    case LOG_ID: buffer_printf(out, "\"%llu\"", (unsigned long long)field->number); break;
    case LOG_SECONDS: buffer_printf(out, "%.6f", (double)field->number / 1e9); break;
    case LOG_TEXT: put_string(out, field->text, field->size); break;
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
