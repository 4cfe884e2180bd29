#include "command/track.h"

#include "base/memory.h"
#include "command/command.h"
#include "command/text.h"
#include "redis/hash.h"
#include "redis/key.h"

#include <stdlib.h>
#include <sys/random.h>

void track_make_id(char id[TRACK_ID_SIZE])
{
    unsigned char bytes[16] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort(); // so few bytes are never cut short
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *id++ = '-';
        *id++ = "0123456789abcdef"[bytes[i] >> 4];
        *id++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *id = '\0';
}

static char *key_of(const struct session *session, const char *id)
{
    return mem_printf("%s%s", session->config->records.prefix, id);
}

/* The state alone decides whether there is a record: nothing writes over what a worker wrote. */
static int create(
    struct session *session, const char *key, const char *name, const char *tube, bool *made, struct error *error)
{
    char now[32];
    const char *const fields[HASH_FIELDS_MOST] = {
        "state", "queued", "created", now, "updated", now, "name", name, "tube", tube};
    snprintf(now, sizeof now, "%.3f", text_now());
    return hash_create(session->redis, key, fields, session->config->records.ttl_s, made, error);
}

static int warn_kept(struct session *session, const char *key, const char *id, struct error *error)
{
    struct hash hash;
    if (hash_read(session->redis, key, &hash, error) < 0)
        return -1;
    const char *state = hash_get(&hash, "state");
    session_failed(session, "warning: %s has a record already (state %s): it stays as it is", id, state ? state : "?");
    hash_free(&hash);
    return 0;
}

int track_create(struct session *session, const char *id, const char *name, const char *tube, bool *made)
{
    struct error error;
    char *key = key_of(session, id);
    *made = false;
    int result = create(session, key, name, tube, made, &error);
    if (result == 0 && !*made)
        result = warn_kept(session, key, id, &error);
    free(key);
    return result == 0 ? EXIT_DONE : session_failed(session, "%s; nothing was put", error.text);
}

void track_remove(struct session *session, const char *id)
{
    struct error error;
    bool ignored;
    char *key = key_of(session, id);
    if (key_delete(session->redis, key, &ignored, &error) < 0)
        session_failed(session, "%s; the record of %s says queued until it ends", error.text, id);
    free(key);
}
