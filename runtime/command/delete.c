#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"
#include "command/text.h"
#include "job/envelope.h"

enum { IDS_MOST = 1000 };

/* Appends "send_email, buried in tube email.regular". 0 and found or not, or -1 and `error`. */
static int describe(struct client *client, uint64_t id, struct buffer *out, bool *found, struct error *error)
{
    struct buffer body = {0};
    struct error ignored;
    struct json *stats, *document = NULL;
    if (lookup_job(client, id, &stats, error) < 0)
        return -1;
    int result = stats ? client_peek_job(client, id, &body, found, error) : 0;
    if (stats && buffer_size(&body))
        document = json_parse(buffer_data(&body), buffer_size(&body), ENVELOPE_DEPTH, &ignored);
    const char *name = lookup_name(document);
    buffer_printf(
        out, "%s, %s in tube %s", name ? name : "no envelope", lookup_text(stats, "state"), lookup_text(stats, "tube"));
    *found = stats;
    json_free(document);
    json_free(stats);
    buffer_free(&body);
    return result;
}

static int delete_job(struct session *session, uint64_t id)
{
    struct error error;
    struct buffer what = {0}, line = {0};
    bool found, deleted = false;
    int result = describe(session->client, id, &what, &found, &error);
    if (result == 0 && found)
        result = client_delete(session->client, id, &deleted, &error);
    if (result < 0) {
        result = session_failed(session, "%s", error.text);
    } else if (deleted) {
        buffer_printf(&line, "deleted job %llu (%s)\n", (unsigned long long)id, buffer_text(&what));
        text_print(&line);
    } else if (found) {
        result = session_failed(session, "job %llu (%s) is held by a worker, or gone: only its worker can delete it",
            (unsigned long long)id, buffer_text(&what));
    } else {
        result = session_failed(session, "there is no job %llu", (unsigned long long)id);
    }
    buffer_free(&what);
    buffer_free(&line);
    return result;
}

static int delete_jobs(struct session *session, const char *const *texts)
{
    struct error error;
    uint64_t ids[IDS_MOST];
    size_t count = 0;
    int exit_code = EXIT_DONE;
    for (; count < IDS_MOST && texts[count]; count++)
        if (option_number("--id", texts[count], 1, UINT64_MAX, &ids[count], &error) < 0)
            return session_misused(session, "%s", error.text);
    if (!count)
        return session_misused(session, "which job? --id N");
    if (!session_connect(session))
        return EXIT_UNREACHABLE;
    for (size_t i = 0; i < count && !client_lost(session->client); i++) {
        int failed = delete_job(session, ids[i]);
        if (failed)
            exit_code = failed;
    }
    return exit_code;
}

int command_delete(int argc, char **argv)
{
    const char *ids[IDS_MOST] = {NULL};
    const struct option_spec specs[] = {
        {"id", "N", "the job; may be given several times", .value = ids, .most = IDS_MOST},
        {.name = "beanstalkd"},
        {0},
    };
    const struct options options = {
        .command = "delete",
        .usage = "--id N [--id N ...]",
        .summary = "Deletes jobs that no worker holds: ready, delayed or buried ones",
        .specs = specs,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, delete_jobs(&session, ids));
}
