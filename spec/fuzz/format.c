#include "base/json.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "log/format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 70, TIME_MS = 1795491777 };

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t take_byte(struct input *input)
{
    if (!input->left)
        return 0;
    input->left--;
    return *input->at++;
}

/* A copy with a NUL behind it. */
static char *take_text(struct input *input, size_t *size)
{
    *size = take_byte(input);
    if (*size > input->left)
        *size = input->left;
    char *text = malloc(*size + 1);
    memcpy(text, input->at, *size);
    text[*size] = '\0';
    input->at += *size;
    input->left -= *size;
    return text;
}

/* UTF-8, one line, nothing that a terminal would obey. */
static void check_line(const char *line, size_t size)
{
    assert(size && line[size - 1] == '\n');
    for (size_t at = 0, length; at < size - 1; at += length) {
        length = utf8_length(line + at, size - at);
        assert(length && (unsigned char)line[at] >= ' ' && line[at] != 0x7f);
        assert(length != 2 || memcmp(line + at, "\u00a0", 2) >= 0); // C1
    }
}

/*
 * An object, whatever was in the record; fields of one name are the caller's fault, and that a number of 64 bits is too big
 * is jansson's.
 */
static void check_json(const char *line, size_t size)
{
    struct error why;
    struct json *json = json_parse(line, size, 40, &why);
    assert(json || strstr(why.text, "duplicate") || strstr(why.text, "too big integer"));
    json_free(json);
}

int fuzz_format(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct log_field fields[FIELDS + 1] = {{.key = NULL}};
    char *keys[FIELDS];
    size_t message_size, key_size, count = 0;
    enum level level = take_byte(&input) % LEVEL_COUNT;
    char *message = take_text(&input, &message_size);
    for (; input.left && count < FIELDS; count++) {
        struct log_field *field = &fields[count];
        uint8_t kind = take_byte(&input);
        field->kind = kind % (LOG_ID + 1);
        field->of_job = kind & 0x80;
        field->more = kind & 0x40;
        field->key = keys[count] = take_text(&input, &key_size);
        field->text = take_text(&input, &field->size);
        memcpy(&field->number, field->text, field->size < sizeof field->number ? field->size : sizeof field->number);
    }
    struct buffer out = {0};
    const struct format_record record = {TIME_MS * UINT64_C(1000), level, "worker", message, message_size, fields};
    format_line(&out, &record, false, "");
    check_line(buffer_data(&out), buffer_size(&out));
    buffer_consume(&out, buffer_size(&out));
    format_json(&out, &record, "");
    check_line(buffer_data(&out), buffer_size(&out));
    check_json(buffer_data(&out), buffer_size(&out));
    buffer_free(&out);
    for (size_t i = 0; i < count; i++) {
        free(keys[i]);
        free((char *)fields[i].text);
    }
    free(message);
    return 0;
}
