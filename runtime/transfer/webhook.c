#include "transfer/webhook.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64, ID_LONGEST = 256 };

struct webhook webhook_make(const char *url, const char *id, const char *payload, size_t size)
{
    return (struct webhook){mem_copy(url, strlen(url)), mem_copy(id, strlen(id)), mem_copy(payload, size), size};
}

void webhook_write(struct buffer *out, const struct webhook *webhook)
{
    buffer_append_text(out, "{\"url\":");
    json_quote(out, webhook->url, strlen(webhook->url));
    buffer_append_text(out, ",\"id\":");
    json_quote(out, webhook->id, strlen(webhook->id));
    buffer_append_text(out, ",\"payload\":");
    buffer_append(out, webhook->payload, webhook->size);
    buffer_append_text(out, "}");
}

/* http or https, without spaces and control characters: what envelopes accept. */
static bool url_valid(const char *url, size_t size)
{
    if (!url || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return false;
    return true;
}

/* No full stop: it separates the parts of what is signed. */
static bool id_valid(const char *id, size_t size)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:-";
    return id && size && size <= ID_LONGEST && strspn(id, allowed) == size;
}

static int read_root(struct webhook *webhook, const struct json *root, struct error *error)
{
    size_t url_size, id_size;
    const char *url = json_as_text(json_member(root, "url"), &url_size);
    const char *id = json_as_text(json_member(root, "id"), &id_size);
    const struct json *payload = json_member(root, "payload");
    struct buffer text = {0};
    if (!url_valid(url, url_size))
        return error_set(error, "\"url\" is no http or https URL");
    if (!id_valid(id, id_size))
        return error_set(error, "\"id\" is no string of 1 to %d of A-Z a-z 0-9 _ : -", ID_LONGEST);
    if (json_kind(payload) != JSON_KIND_OBJECT)
        return error_set(error, "\"payload\" is %s, not an object", json_kind_name(payload));
    json_compact(&text, payload);
    *webhook = webhook_make(url, id, buffer_data(&text), buffer_size(&text));
    buffer_free(&text);
    return 0;
}

int webhook_read(struct webhook *webhook, const char *body, size_t size, struct error *error)
{
    struct error why;
    *webhook = (struct webhook){0};
    struct json *root = json_parse(body, size, DEPTH, &why);
    if (!root)
        return error_set(error, "not JSON: %s", why.text);
    int result = read_root(webhook, root, error);
    json_free(root);
    return result;
}

void webhook_free(struct webhook *webhook)
{
    free(webhook->url);
    free(webhook->id);
    free(webhook->payload);
    *webhook = (struct webhook){0};
}

void webhook_show_url(const struct webhook *webhook, char *shown, size_t room)
{
    const char *url = webhook->url;
    const char *host = url ? strstr(url, "://") : NULL;
    if (!host) {
        snprintf(shown, room, "?");
        return;
    }
    host += 3;
    size_t end = strcspn(host, "/?#"), path = strcspn(host, "?#");
    const char *user_end = host;
    for (size_t i = 0; i < end; i++)
        if (host[i] == '@')
            user_end = host + i + 1;
    snprintf(shown, room, "%.*s%.*s", (int)(host - url), url, (int)(path - (size_t)(user_end - host)), user_end);
}
