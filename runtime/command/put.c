#include "command/body.h"
#include "command/bulk.h"
#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"
#include "command/track.h"
#include "config/units.h"

#include <string.h>

struct put {
    const char *tube, *priority, *delay, *ttr, *from, *id, *track, *as_json;
    char made_id[TRACK_ID_SIZE]; // `id` when none was given
};

/* A duration in whole seconds. */
static int read_seconds(const char *what, const char *text, uint64_t least, uint32_t *seconds, struct error *error)
{
    uint64_t ms;
    if (!units_duration(text, &ms) || ms % 1000 || ms / 1000 < least || ms / 1000 > UINT32_MAX)
        return error_set(error, "%s: '%s' is no number of seconds from %llu up (or 5m, 2h, 7d)", what, text,
            (unsigned long long)least);
    *seconds = (uint32_t)(ms / 1000);
    return 0;
}

static int read_flags(const struct put *flags, struct client_put *put, struct error *error)
{
    uint64_t priority = 1024;
    *put = (struct client_put){.tube = flags->tube ? flags->tube : "default", .ttr_s = 60};
    if (client_check_tube(put->tube, error) < 0 ||
        (flags->priority && option_number("--priority", flags->priority, 0, UINT32_MAX, &priority, error) < 0) ||
        (flags->delay && read_seconds("--delay", flags->delay, 0, &put->delay_s, error) < 0) ||
        (flags->ttr && read_seconds("--ttr", flags->ttr, 1, &put->ttr_s, error) < 0))
        return -1;
    put->priority = (uint32_t)priority;
    return 0;
}

static void print_settings(const struct client_put *put)
{
    printf("tube %s (priority %u, delay %u s, ttr %u s)\n", put->tube, put->priority, put->delay_s, put->ttr_s);
}

/* Nobody takes jobs from the tube at present: often a typing error. Not knowing is no reason to fail after the put. */
static void warn_unwatched(struct session *session, const char *tube)
{
    struct error ignored;
    struct json *stats = NULL;
    if (lookup_tube(session->client, tube, &stats, &ignored) == 0 && !lookup_number(stats, "current_watching"))
        session_failed(session, "warning: nobody watches tube %s", tube);
    json_free(stats);
}

/* Says what was put. */
static void report_one(const struct put *flags, const struct client_put *put, const char *name, uint64_t id)
{
    if (flags->as_json) {
        printf("{\"id\":\"%llu\",\"tube\":\"%s\"", (unsigned long long)id, put->tube);
        printf(flags->id ? ",\"record\":\"%s\"}\n" : "}\n", flags->id);
        return;
    }
    printf("put %s as job %llu into ", name, (unsigned long long)id);
    print_settings(put);
    if (flags->id)
        printf("id %s\n", flags->id);
}

/* Puts the body; a record that was made for it and that nobody can have touched goes again when it is refused. */
static int put_body(struct session *session, const struct put *flags, struct client_put *put, const char *name)
{
    struct error error;
    uint64_t id;
    bool made = false;
    int exit_code = EXIT_DONE;
    if (flags->track)
        exit_code = track_create(session, flags->id, name, put->tube, &made);
    if (exit_code != EXIT_DONE)
        return exit_code;
    if (client_put(session->client, put, &id, &error) < 0) {
        exit_code = session_failed(session, "%s", error.text);
        if (made && !client_lost(session->client))
            track_remove(session, flags->id);
        return exit_code;
    }
    report_one(flags, put, name, id);
    warn_unwatched(session, put->tube);
    return EXIT_DONE;
}

static int put_one(struct session *session, struct put *flags, struct client_put *put)
{
    struct error error;
    struct buffer body = {0};
    const char *name = session->arguments[0], *data = session->count > 1 ? session->arguments[1] : "{}";
    int exit_code;
    if (flags->track && !flags->id) {
        track_make_id(flags->made_id);
        flags->id = flags->made_id;
    }
    if (body_make(&body, name, data, flags->id, &error) < 0) {
        exit_code = session_misused(session, "%s", error.text);
    } else if (flags->track && (exit_code = session_try_redis(session, &error)) != EXIT_DONE) {
        session_failed(session, "%s; nothing was put", error.text);
    } else {
        put->body = buffer_data(&body);
        put->size = buffer_size(&body);
        exit_code = session_connect(session) ? put_body(session, flags, put, name) : EXIT_UNREACHABLE;
    }
    buffer_free(&body);
    return exit_code;
}

static int put_many(struct session *session, const struct put *flags, const struct client_put *put)
{
    struct bulk bulk;
    int exit_code = bulk_put(session, flags->from, put, &bulk);
    unsigned long long accepted = bulk.accepted, all = accepted + bulk.refused + bulk.unknown;
    if (!session->client)
        return exit_code;
    if (flags->as_json) {
        printf("{\"tube\":\"%s\",\"accepted\":%llu,\"refused\":%llu,\"unknown\":%llu}\n", put->tube, accepted,
            (unsigned long long)bulk.refused, (unsigned long long)bulk.unknown);
    } else {
        printf("accepted %llu of %llu into ", accepted, all);
        print_settings(put);
    }
    if (accepted)
        warn_unwatched(session, put->tube);
    return exit_code;
}

static int put(struct session *session, struct put *flags)
{
    struct error error;
    struct client_put settings;
    if (read_flags(flags, &settings, &error) < 0)
        return session_misused(session, "%s", error.text);
    if (!flags->from == !session->count)
        return session_misused(session, "what? either the NAME of a job or --from FILE");
    if (flags->from && (flags->id || flags->track))
        return session_misused(session, "--id and --track are for one job; the lines of a file are put as they stand");
    return flags->from ? put_many(session, flags, &settings) : put_one(session, flags, &settings);
}

int command_put(int argc, char **argv)
{
    struct put flags = {0};
    const struct option_spec specs[] = {
        {"tube", "NAME", "the tube to put into (default)", .value = &flags.tube},
        {"priority", "N", "0 is the most urgent (1024)", .value = &flags.priority},
        {"delay", "SECONDS", "before it is ready; also 5m, 2h, 7d (0)", .value = &flags.delay},
        {"ttr", "SECONDS", "its time to run (60)", .value = &flags.ttr},
        {"from", "FILE", "put every line, a whole envelope each; '-' is stdin", .value = &flags.from},
        {"id", "ID", "the envelope's id: its workers keep a record of the job", .value = &flags.id},
        {.name = "track", .help = "make that record now; with a random id unless given", .value = &flags.track},
        {.name = "json", .help = "print the outcome as one object", .value = &flags.as_json},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "put",
        .usage = "NAME [JSON]",
        .summary = "Puts the job {\"job\": NAME, \"data\": JSON} ({} unless given) into a tube, or the jobs of a file",
        .details = "examples:\n"
                   "  lunastalk put send_email '{\"to\": \"a@example.com\"}' --tube email.regular --ttr 5m\n"
                   "  lunastalk put send_email '{\"to\": \"a@example.com\"}' --track\n"
                   "  lunastalk put --from jobs.jsonl --tube email.bulk --priority 2048\n",
        .specs = specs,
        .most = 2,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, put(&session, &flags));
}
