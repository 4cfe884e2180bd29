#include "command/lookup.h"

enum { DEPTH = 2 };

static int parse(int result, bool found, struct buffer *text, struct json **stats, struct error *error)
{
    *stats = NULL;
    if (result == 0 && found) {
        *stats = json_parse(buffer_data(text), buffer_size(text), DEPTH, error);
        result = *stats ? 0 : -1;
    }
    buffer_free(text);
    return result;
}

int lookup_tube(struct client *client, const char *tube, struct json **stats, struct error *error)
{
    struct buffer text = {0};
    bool found;
    int result = client_stats_tube(client, tube, &text, &found, error);
    return parse(result, found, &text, stats, error);
}

int lookup_job(struct client *client, uint64_t id, struct json **stats, struct error *error)
{
    struct buffer text = {0};
    bool found;
    int result = client_stats_job(client, id, &text, &found, error);
    return parse(result, found, &text, stats, error);
}

uint64_t lookup_number(const struct json *stats, const char *key)
{
    return (uint64_t)json_as_integer(json_member(stats, key), 0);
}

const char *lookup_text(const struct json *stats, const char *key)
{
    const char *text = json_as_text(json_member(stats, key), NULL);
    return text ? text : "?";
}

const char *lookup_name(const struct json *document)
{
    return json_as_text(json_member(document, "job"), NULL);
}
