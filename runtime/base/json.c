#include "base/json.h"

#include "base/escape.h"
#include "base/utf8.h"

#include <jansson.h>
#include <string.h>

static json_t *native(const struct json *value)
{
    return (json_t *)value;
}

/* jansson recurses for every level, so depth is checked before it sees the text. */
static bool deeper_than(const char *bytes, size_t size, unsigned limit)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > limit)
                return true;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return false;
}

struct json *json_parse(const char *bytes, size_t size, unsigned depth, struct error *error)
{
    json_error_t why;
    if (deeper_than(bytes, size, depth)) {
        error_set(error, "nested deeper than %u levels", depth);
        return NULL;
    }
    const char *nul = size ? memchr(bytes, '\0', size) : NULL;
    if (nul) { // jansson loses one behind a number or a word
        error_set(error, "a NUL at byte %zu", (size_t)(nul - bytes));
        return NULL;
    }
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (!value)
        error_set(error, "%s at byte %d", why.text, why.position);
    return (struct json *)value;
}

void json_free(struct json *json)
{
    json_decref(native(json));
}

enum json_kind json_kind(const struct json *value)
{
    if (!value)
        return JSON_KIND_NULL;
    switch (json_typeof(native(value))) {
    case JSON_OBJECT: return JSON_KIND_OBJECT;
    case JSON_ARRAY: return JSON_KIND_ARRAY;
    case JSON_STRING: return JSON_KIND_STRING;
    case JSON_INTEGER: return JSON_KIND_INTEGER;
    case JSON_REAL: return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE: return JSON_KIND_BOOLEAN;
    case JSON_NULL: break;
    }
    return JSON_KIND_NULL;
}

const char *json_kind_name(const struct json *value)
{
    static const char *const names[] = {
        "null", "a boolean", "an integer", "a number with a fraction", "a string", "a list", "an object"};
    return names[json_kind(value)];
}

const struct json *json_member(const struct json *value, const char *key)
{
    return (const struct json *)json_object_get(native(value), key);
}

size_t json_length(const struct json *value)
{
    return json_is_object(native(value)) ? json_object_size(native(value)) : json_array_size(native(value));
}

const struct json *json_item(const struct json *array, size_t index)
{
    return (const struct json *)json_array_get(native(array), index);
}

const char *json_as_text(const struct json *value, size_t *size)
{
    if (size)
        *size = json_string_length(native(value));
    return json_string_value(native(value));
}

int64_t json_as_integer(const struct json *value, int64_t otherwise)
{
    return json_is_integer(native(value)) ? json_integer_value(native(value)) : otherwise;
}

double json_as_number(const struct json *value, double otherwise)
{
    return json_is_number(native(value)) ? json_number_value(native(value)) : otherwise;
}

bool json_as_boolean(const struct json *value, bool otherwise)
{
    return json_is_boolean(native(value)) ? json_is_true(native(value)) : otherwise;
}

static int append(const char *bytes, size_t size, void *out)
{
    buffer_append(out, bytes, size);
    return 0;
}

static void dump(struct buffer *out, const struct json *value, size_t layout)
{
    json_dump_callback(
        native(value), append, out, layout | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
}

void json_pretty(struct buffer *out, const struct json *value)
{
    dump(out, value, JSON_INDENT(2));
}

void json_compact(struct buffer *out, const struct json *value)
{
    dump(out, value, JSON_COMPACT);
}

void json_quote(struct buffer *out, const char *bytes, size_t size)
{
    buffer_append(out, "\"", 1);
    for (size_t at = 0; at < size;) {
        size_t length = utf8_length(bytes + at, size - at);
        if (length)
            escape_append(out, bytes + at, length, ESCAPE_QUOTED);
        else
            buffer_append_text(out, "\xef\xbf\xbd");
        at += length ? length : 1;
    }
    buffer_append(out, "\"", 1);
}
