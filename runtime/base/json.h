#ifndef LUNASTALK_BASE_JSON_H
#define LUNASTALK_BASE_JSON_H
/*
 * JSON in C: jansson behind the few calls that this project needs; <jansson.h> appears nowhere else. Values are
 * borrowed from the document and live until json_free() of it.
 */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct json;

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOLEAN,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};

/*
 * Parses all of `bytes` as one JSON text (RFC 8259): duplicate keys, invalid UTF-8, trailing bytes and nesting deeper
 * than `depth` are refused. NULL and the reason in `error`. Freed with json_free().
 */
struct json *json_parse(const char *bytes, size_t size, unsigned depth, struct error *error);
void json_free(struct json *json);

/* A missing value (NULL) is of kind NULL. */
enum json_kind json_kind(const struct json *value);
/* "an object", "a string" …, for messages. */
const char *json_kind_name(const struct json *value);
/* The member of an object, or NULL when there is none or `value` is no object. */
const struct json *json_member(const struct json *value, const char *key);
/* Elements of an array, members of an object; 0 for anything else. */
size_t json_length(const struct json *value);
const struct json *json_item(const struct json *array, size_t index);
/* The bytes of a string, NUL-terminated, with NULs possibly inside; NULL when it is none. `size` may be NULL. */
const char *json_as_text(const struct json *value, size_t *size);
/* The value of an integer, else `otherwise`. */
int64_t json_as_integer(const struct json *value, int64_t otherwise);
/* The value of an integer or a number with a fraction, else `otherwise`. */
double json_as_number(const struct json *value, double otherwise);
/* The value of a boolean, else `otherwise`. */
bool json_as_boolean(const struct json *value, bool otherwise);

/* Appends the value, indented by two spaces per level, members in their order. */
void json_pretty(struct buffer *out, const struct json *value);
/* The same on one line, without spaces. */
void json_compact(struct buffer *out, const struct json *value);
/* Appends `bytes` as a JSON string with its quotes, escaped as base/escape.h says but for invalid UTF-8: U+FFFD. */
void json_quote(struct buffer *out, const char *bytes, size_t size);

#endif
