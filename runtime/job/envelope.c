#include "job/envelope.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool envelope_name_valid(const char *name, size_t size)
{
    bool starts = true; // a segment does
    if (!size || size > ENVELOPE_NAME_LONGEST || (size >= 4 && memcmp(name, "lib.", 4) == 0))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '.' ? starts : !name_byte(name[i]) || (starts && name[i] == '_'))
            return false;
        starts = name[i] == '.';
    }
    return !starts;
}

/* The member, when it is an object; NULL when it is absent, null or PHP's empty list. */
static int read_object(const struct json *parent, const char *key, const struct json **object, struct error *error)
{
    const struct json *value = json_member(parent, key);
    *object = NULL;
    if (json_kind(value) == JSON_KIND_NULL || (json_kind(value) == JSON_KIND_ARRAY && !json_length(value)))
        return 0;
    if (json_kind(value) != JSON_KIND_OBJECT)
        return error_set(error, "\"%s\" is %s, not an object", key, json_kind_name(value));
    *object = value;
    return 0;
}

static int check_url(const char *where, const struct json *value, struct error *error)
{
    size_t size;
    const char *url = json_as_text(value, &size);
    if (!url)
        return error_set(error, "\"%s.callback\" holds %s, not a URL", where, json_kind_name(value));
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return error_set(error, "\"%s.callback\" is no http or https URL", where);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return error_set(error, "\"%s.callback\" has a space or control character in its URL", where);
    return 0;
}

static void free_urls(char **urls)
{
    for (char **url = urls; urls && *url; url++)
        free(*url);
    free(urls);
}

static int add_url(char **urls, size_t at, const char *where, const struct json *value, struct error *error)
{
    if (check_url(where, value, error) < 0)
        return -1;
    size_t size;
    const char *url = json_as_text(value, &size);
    urls[at] = mem_copy(url, size);
    return 0;
}

/* A URL, or a list of them. */
static int read_callback(char ***urls, const char *where, const struct json *parent, struct error *error)
{
    const struct json *value = json_member(parent, "callback");
    bool list = json_kind(value) == JSON_KIND_ARRAY;
    size_t size, count = list ? json_length(value) : 1;
    if (json_kind(value) == JSON_KIND_NULL || !count || (json_as_text(value, &size) && !size))
        return 0;
    if (count > ENVELOPE_CALLBACKS_MOST)
        return error_set(error, "\"%s.callback\" lists more than %d URLs", where, ENVELOPE_CALLBACKS_MOST);
    *urls = mem_new((count + 1) * sizeof **urls);
    for (size_t i = 0; i < count; i++)
        if (add_url(*urls, i, where, list ? json_item(value, i) : value, error) < 0)
            return -1;
    return 0;
}

/* An optional whole number; `number` keeps its value when it is not there. */
static int read_whole(const struct json *parent, const char *where, const char *key, int64_t least, int64_t most,
    int64_t *number, struct error *error)
{
    const struct json *value = json_member(parent, key);
    int64_t given = json_as_integer(value, least - 1);
    if (json_kind(value) == JSON_KIND_NULL)
        return 0;
    if (given < least || given > most)
        return error_set(
            error, "\"%s%s\" is no whole number from %lld to %lld", where, key, (long long)least, (long long)most);
    *number = given;
    return 0;
}

static int read_limits(
    struct envelope *envelope, const struct json *root, const struct json *retry, struct error *error)
{
    int64_t timeout_s = 0;
    if (read_whole(retry, "retry.", "max", 0, ENVELOPE_RETRIES_MOST, &envelope->retry_max, error) < 0 ||
        read_whole(retry, "retry.", "delay", 0, ENVELOPE_DELAY_MOST_S, &envelope->retry_delay_s, error) < 0 ||
        read_whole(root, "", "timeout", 1, INT32_MAX, &timeout_s, error) < 0)
        return -1;
    envelope->timeout_s = (uint32_t)timeout_s;
    return 0;
}

bool envelope_id_valid(const char *id, size_t size)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    return size && size <= ENVELOPE_ID_LONGEST && strspn(id, allowed) == size;
}

static int read_id(struct envelope *envelope, const struct json *root, struct error *error)
{
    size_t size;
    const struct json *value = json_member(root, "id");
    const char *id = json_as_text(value, &size);
    if (json_kind(value) == JSON_KIND_NULL)
        return 0;
    if (!id || !envelope_id_valid(id, size))
        return error_set(error, "\"id\" is no string of 1 to %d of A-Z a-z 0-9 . _ : -", ENVELOPE_ID_LONGEST);
    memcpy(envelope->id, id, size);
    return 0;
}

static int read_name(struct envelope *envelope, const struct json *root, struct error *error)
{
    size_t size;
    const struct json *value = json_member(root, "job");
    const char *name = json_as_text(value, &size);
    if (!value)
        return error_set(error, "it has no \"job\", the handler's name");
    if (!name)
        return error_set(error, "\"job\" is %s, not a handler's name", json_kind_name(value));
    if (!envelope_name_valid(name, size))
        return error_set(error,
            "\"job\" is no handler's name: segments of a-z 0-9 _ joined by dots, none "
            "beginning with _, not below lib, %d bytes at most",
            ENVELOPE_NAME_LONGEST);
    memcpy(envelope->name, name, size + 1);
    return 0;
}

static int read_error(struct envelope *envelope, const struct json *object, struct error *error)
{
    const struct json *bury = json_member(object, "bury");
    if (json_kind(bury) != JSON_KIND_NULL && json_kind(bury) != JSON_KIND_BOOLEAN)
        return error_set(error, "\"error.bury\" is %s, not true or false", json_kind_name(bury));
    envelope->bury = json_as_boolean(bury, true);
    return read_callback(&envelope->error, "error", object, error);
}

static int read_root(struct envelope *envelope, const struct json *root, struct error *error)
{
    const struct json *success, *failure, *retry;
    if (json_kind(root) != JSON_KIND_OBJECT)
        return error_set(error, "it is %s, not an object", json_kind_name(root));
    if (read_name(envelope, root, error) < 0 || read_object(root, "success", &success, error) < 0 ||
        read_object(root, "error", &failure, error) < 0 || read_object(root, "retry", &retry, error) < 0)
        return -1;
    if (read_error(envelope, failure, error) < 0 || read_callback(&envelope->success, "success", success, error) < 0 ||
        read_id(envelope, root, error) < 0)
        return -1;
    return read_limits(envelope, root, retry, error);
}

int envelope_parse(struct envelope *envelope, const char *body, size_t size, struct error *error)
{
    struct error why;
    *envelope = (struct envelope){.bury = true, .retry_max = -1, .retry_delay_s = -1};
    if (!size)
        return error_set(error, "the body is empty");
    struct json *root = json_parse(body, size, ENVELOPE_DEPTH, &why);
    if (!root)
        return error_set(error, "not JSON: %s", why.text);
    int result = read_root(envelope, root, error);
    json_free(root);
    if (result < 0)
        envelope_free(envelope);
    return result;
}

void envelope_free(struct envelope *envelope)
{
    free_urls(envelope->success);
    free_urls(envelope->error);
    envelope->success = envelope->error = NULL;
}
