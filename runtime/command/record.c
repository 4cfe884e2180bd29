#include "base/json.h"
#include "base/memory.h"
#include "command/command.h"
#include "command/session.h"
#include "command/text.h"
#include "job/envelope.h"
#include "redis/hash.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 64 };

static const char *const known[] = {"state", "name", "attempt", "created", "updated", "runtime", "progress", "error",
    "worker", "server", "job", "tube", NULL};

static bool is_known(const char *name)
{
    size_t i = 0;
    while (known[i] && strcmp(known[i], name) != 0)
        i++;
    return known[i];
}

static void append_field(struct buffer *out, const char *name, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    bool moment = strcmp(name, "created") == 0 || strcmp(name, "updated") == 0;
    buffer_printf(out, "%-10s ", name);
    if (moment && end > value && !*end)
        text_moment(out, number);
    else
        buffer_append_text(out, value);
    buffer_append_text(out, strcmp(name, "runtime") == 0 ? " s\n" : "\n");
}

/* The fields that we know in their order, then the producer's own. */
static void print_record(const char *id, const struct hash *record)
{
    struct buffer text = {0};
    append_field(&text, "id", id);
    for (size_t i = 0; known[i]; i++) {
        const char *value = hash_get(record, known[i]);
        if (value && *value)
            append_field(&text, known[i], value);
    }
    for (size_t i = 0; i < record->count; i++)
        if (!is_known(hash_name(record, i, NULL)))
            append_field(&text, hash_name(record, i, NULL), hash_value(record, i, NULL));
    text_print(&text);
    buffer_free(&text);
}

/* Strings, as they stand in Redis; the progress as the JSON that it is. */
static void print_json(const char *id, const struct hash *record)
{
    struct buffer out = {0};
    struct error ignored;
    size_t size;
    buffer_append_text(&out, "{\"id\":");
    json_quote(&out, id, strlen(id));
    for (size_t i = 0; i < record->count; i++) {
        const char *name = hash_name(record, i, &size);
        buffer_append_text(&out, ",");
        json_quote(&out, name, size);
        buffer_append_text(&out, ":");
        const char *value = hash_value(record, i, &size);
        struct json *progress = strcmp(name, "progress") == 0 ? json_parse(value, size, DEPTH, &ignored) : NULL;
        if (progress)
            json_compact(&out, progress);
        else
            json_quote(&out, value, size);
        json_free(progress);
    }
    buffer_append_text(&out, "}\n");
    text_print(&out);
    buffer_free(&out);
}

static int record(struct session *session, const char *as_json)
{
    struct error error;
    struct hash hash;
    int exit_code = EXIT_DONE;
    const char *id = session->arguments[0];
    if (!envelope_id_valid(id, strlen(id)))
        return session_misused(
            session, "'%s' is no envelope's id: 1 to %d of A-Z a-z 0-9 . _ : -", id, ENVELOPE_ID_LONGEST);
    if (!session_connect_redis(session, &exit_code))
        return exit_code;
    char *key = mem_printf("%s%s", session->config->records.prefix, id);
    int result = hash_read(session->redis, key, &hash, &error);
    free(key);
    if (result < 0)
        return session_failed(session, "%s", error.text);
    if (!hash.count)
        exit_code = session_failed(
            session, "no record of %s: it ended records.ttl after the last change, or no envelope had this id", id);
    else if (as_json)
        print_json(id, &hash);
    else
        print_record(id, &hash);
    hash_free(&hash);
    return exit_code;
}

int command_record(int argc, char **argv)
{
    const char *as_json = NULL;
    const struct option_spec specs[] = {
        {.name = "json", .help = "one object: the fields as they stand in Redis", .value = &as_json},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "record",
        .usage = "ID",
        .summary = "Shows what became of the job whose envelope has this id",
        .details = "states: queued, running, retrying, done, buried; released: the handler gave it back for later;\n"
                   "  lost: the worker lost the reservation, it will run again\n",
        .specs = specs,
        .least = 1,
        .most = 1,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, record(&session, as_json));
}
