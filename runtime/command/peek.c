#include "base/utf8.h"
#include "command/command.h"
#include "command/faults.h"
#include "command/lookup.h"
#include "command/session.h"
#include "command/text.h"
#include "job/envelope.h"

#include <string.h>

enum { BODY_SHOWN = 16 * 1024 };

struct peek {
    const char *id, *raw, *as_json;
};

struct found {
    uint64_t id;
    struct buffer body, stats_text;
    struct json *stats, *document; // document: the body, when it is JSON
};

static void print_number(const char *label, uint64_t number, const char *unit)
{
    printf("%-10s %llu%s\n", label, (unsigned long long)number, unit);
}

static void print_label(const char *label, const char *text)
{
    struct buffer line = {0};
    buffer_printf(&line, "%-10s %s\n", label, text);
    text_print(&line);
    buffer_free(&line);
}

static void print_age(const struct json *stats)
{
    struct buffer age = {0};
    text_duration(&age, lookup_number(stats, "age"));
    print_label("age", buffer_text(&age));
    buffer_free(&age);
}

/* Delay and TTR, each with what is left of it while that counts. */
static void print_times(const struct json *stats)
{
    char left[48];
    const char *state = lookup_text(stats, "state");
    snprintf(left, sizeof left, " s, %llu s left", (unsigned long long)lookup_number(stats, "time_left"));
    print_number("delay", lookup_number(stats, "delay"), strcmp(state, "delayed") == 0 ? left : " s");
    print_number("ttr", lookup_number(stats, "ttr"), strcmp(state, "reserved") == 0 ? left : " s");
}

static void print_counters(const struct json *stats)
{
    static const char *const counters[] = {"reserves", "timeouts", "releases", "buries", "kicks"};
    print_number("failed", lookup_number(stats, "buries"), " times");
    printf("%-10s", "counters");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        printf("%s %s %llu", i ? "," : "", counters[i], (unsigned long long)lookup_number(stats, counters[i]));
    putchar('\n');
}

/* The body for reading: pretty when it is JSON, escaped, and cut. */
static void print_body(const struct found *job)
{
    struct buffer text = {0};
    struct envelope envelope;
    struct error why;
    if (envelope_parse(&envelope, buffer_data(&job->body), buffer_size(&job->body), &why) < 0) {
        buffer_printf(&text, "no envelope: %s\n", why.text);
        text_print(&text);
        buffer_consume(&text, buffer_size(&text));
    } else {
        envelope_free(&envelope);
    }
    if (job->document)
        json_pretty(&text, job->document);
    else
        buffer_append(&text, buffer_data(&job->body), buffer_size(&job->body));
    size_t size = buffer_size(&text), shown = utf8_cut(buffer_data(&text), size, BODY_SHOWN);
    text.end = text.start + shown;
    text_print(&text);
    puts(shown < size ? "\n… (--raw shows all)" : "");
    buffer_free(&text);
}

static void print_hints(const struct session *session, const struct found *job)
{
    struct buffer hints = {0}, address = {0};
    const char *state = lookup_text(job->stats, "state");
    unsigned long long id = job->id;
    session_address(session, &address);
    const char *server = buffer_text(&address);
    if (strcmp(state, "buried") == 0 || strcmp(state, "delayed") == 0)
        buffer_printf(&hints, "run again: lunastalk kick --id %llu%s\n", id, server);
    if (strcmp(state, "reserved") == 0)
        buffer_printf(&hints, "a worker holds it\n");
    else
        buffer_printf(&hints, "remove: lunastalk delete --id %llu%s\n", id, server);
    putchar('\n');
    text_print(&hints);
    buffer_free(&hints);
    buffer_free(&address);
}

/* The last failure of the job, or the line that says why there is none to show; appends nothing when none is known. */
static void append_failure(struct session *session, const struct found *job, struct buffer *out)
{
    struct error error;
    struct faults faults = {0};
    struct buffer text = {0};
    struct json *server = NULL;
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)job->id);
    int result = client_stats(session->client, &text, &error);
    if (result == 0)
        server = json_parse(buffer_data(&text), buffer_size(&text), ENVELOPE_DEPTH, &error);
    const struct faults_filter filter = {.id = id, .instance = lookup_text(server, "id"), .most = 1};
    if (!server || faults_read(&faults, session->redis, &filter, &error) < 0) {
        session_failed(session, "warning: its last error is not known: %s", error.text);
    } else if (faults.count) {
        char *const *field = faults.list[0]->field;
        buffer_printf(out, "%.*s (attempt %s, ", (int)strcspn(field[FAILED_ERROR], "\n"), field[FAILED_ERROR],
            field[FAILED_ATTEMPT]);
        text_moment(out, (double)faults.list[0]->at_ms / 1000);
        buffer_append_text(out, ")");
    }
    faults_free(&faults);
    json_free(server);
    buffer_free(&text);
}

/* Why a buried job is buried; Redis is asked only where one is configured, and may be away. */
static void print_failure(struct session *session, const struct found *job)
{
    struct error error;
    struct buffer fault = {0};
    if (!session->config->redis.server || strcmp(lookup_text(job->stats, "state"), "buried") != 0)
        return;
    if (session_try_redis(session, &error) == EXIT_DONE)
        append_failure(session, job, &fault);
    else
        session_failed(session, "warning: its last error is not known: %s", error.text);
    if (buffer_size(&fault))
        print_label("error", buffer_text(&fault));
    buffer_free(&fault);
}

static void print_job(struct session *session, const struct found *job)
{
    const char *name = lookup_name(job->document);
    print_number("job", job->id, "");
    print_label("name", name ? name : "?");
    print_label("tube", lookup_text(job->stats, "tube"));
    print_label("state", lookup_text(job->stats, "state"));
    print_number("priority", lookup_number(job->stats, "pri"), "");
    print_age(job->stats);
    print_times(job->stats);
    print_counters(job->stats);
    print_failure(session, job);
    print_number("body", buffer_size(&job->body), " bytes\n");
    print_body(job);
    print_hints(session, job);
}

static bool is_utf8(const struct buffer *text)
{
    size_t at = 0, length = 1;
    for (; at < buffer_size(text) && length; at += length)
        length = utf8_length(buffer_data(text) + at, buffer_size(text) - at);
    return length;
}

/* The server's statistics with bytes and body; a body that is no text is null. */
static void print_json(struct found *job)
{
    struct buffer *out = &job->stats_text;
    out->end--; // the brace
    buffer_printf(out, ",\"bytes\":%zu,\"body\":", buffer_size(&job->body));
    if (is_utf8(&job->body))
        json_quote(out, buffer_data(&job->body), buffer_size(&job->body));
    else
        buffer_append_text(out, "null");
    buffer_append_text(out, "}\n");
    text_print(out);
}

/* Shows the job whose id and body were found. */
static int show(struct session *session, const struct peek *peek, struct found *job)
{
    struct error error;
    bool found;
    if (peek->raw) {
        text_write(stdout, &job->body);
        return EXIT_DONE;
    }
    if (client_stats_job(session->client, job->id, &job->stats_text, &found, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!found)
        return session_failed(session, "job %llu is gone: it was just deleted", (unsigned long long)job->id);
    job->stats = json_parse(buffer_data(&job->stats_text), buffer_size(&job->stats_text), ENVELOPE_DEPTH, &error);
    if (!job->stats)
        return session_failed(session, "the server's statistics: %s", error.text);
    if (buffer_size(&job->body))
        job->document = json_parse(buffer_data(&job->body), buffer_size(&job->body), ENVELOPE_DEPTH, &error);
    if (peek->as_json)
        print_json(job);
    else
        print_job(session, job);
    return EXIT_DONE;
}

static int peek_id(struct session *session, const struct peek *peek, struct found *job)
{
    struct error error;
    bool found;
    if (client_peek_job(session->client, job->id, &job->body, &found, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!found)
        return session_failed(session, "there is no job %llu", (unsigned long long)job->id);
    return show(session, peek, job);
}

/* The state to look at when none was named. */
static const char *choose_state(const struct json *stats)
{
    if (lookup_number(stats, "current_jobs_buried"))
        return "buried";
    return lookup_number(stats, "current_jobs_ready") ? "ready" : "delayed";
}

static int peek_tube(struct session *session, const struct peek *peek, struct found *job, const char *state)
{
    struct error error;
    struct json *stats;
    bool found;
    const char *tube = session->arguments[0];
    if (lookup_tube(session->client, tube, &stats, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!stats)
        return session_failed(session, "there is no tube %s", tube);
    unsigned long long ready = lookup_number(stats, "current_jobs_ready"),
                       delayed = lookup_number(stats, "current_jobs_delayed"),
                       buried = lookup_number(stats, "current_jobs_buried");
    bool chosen = !state;
    state = state ? state : choose_state(stats);
    json_free(stats);
    if (client_peek(session->client, tube, state, &job->id, &job->body, &found, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!found)
        return session_failed(session, "tube %s has no %s job", tube, chosen ? "buried, ready or delayed" : state);
    if (!peek->raw && !peek->as_json)
        printf(
            "the next %s job of %s (%llu buried, %llu ready, %llu delayed)\n\n", state, tube, buried, ready, delayed);
    return show(session, peek, job);
}

static bool is_state(const char *text)
{
    return strcmp(text, "ready") == 0 || strcmp(text, "delayed") == 0 || strcmp(text, "buried") == 0;
}

static int peek_job(struct session *session, const struct peek *peek, struct found *job)
{
    struct error error;
    const char *state = session->count > 1 ? session->arguments[1] : NULL;
    if (peek->raw && peek->as_json)
        return session_misused(session, "either --raw or --json");
    if (!peek->id == !session->count)
        return session_misused(session, "which job? either a TUBE or --id N");
    if (peek->id && option_number("--id", peek->id, 1, UINT64_MAX, &job->id, &error) < 0)
        return session_misused(session, "%s", error.text);
    if (!peek->id && client_check_tube(session->arguments[0], &error) < 0)
        return session_misused(session, "%s", error.text);
    if (state && !is_state(state))
        return session_misused(session, "'%s' is no state to look at: ready, delayed or buried", state);
    if (!session_connect(session))
        return EXIT_UNREACHABLE;
    return peek->id ? peek_id(session, peek, job) : peek_tube(session, peek, job, state);
}

int command_peek(int argc, char **argv)
{
    struct peek peek = {0};
    const struct option_spec specs[] = {
        {"id", "N", "this job, in whatever tube and state", .value = &peek.id},
        {.name = "raw", .help = "the body alone, byte for byte", .value = &peek.raw},
        {.name = "json", .help = "one object: what beanstalkd tells, and the body as a string", .value = &peek.as_json},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "peek",
        .usage = "TUBE [ready|delayed|buried]",
        .summary =
            "Shows the next job of a tube: the first buried one, else ready, else delayed, unless a state is named",
        .details = "failed counts the attempts that failed, in all rounds: a kick begins a new one. With Redis, a "
                   "buried job's last\n"
                   "error is shown.\n",
        .specs = specs,
        .most = 2,
    };
    struct session session;
    struct found job = {0};
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    exit_code = peek_job(&session, &peek, &job);
    json_free(job.document);
    json_free(job.stats);
    buffer_free(&job.body);
    buffer_free(&job.stats_text);
    return session_close(&session, exit_code);
}
