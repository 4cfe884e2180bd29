#include "base/escape.h"
#include "command/command.h"
#include "command/fleet.h"
#include "command/session.h"
#include "command/table.h"
#include "command/text.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct status {
    const char *watch, *as_json, *forget;
};

struct totals {
    uint64_t states[FLEET_STATES];
    double jobs, errors, rate; // the rate of those that live
};

/* A number of the heartbeat, -1 when it has none that can be meant. */
static double figure(const struct fleet_worker *worker, const char *key)
{
    double number = json_as_number(json_member(worker->beat, key), -1);
    return number >= 0 && number < 1e15 ? number : -1;
}

static void count(double *total, double number)
{
    *total += number > 0 ? number : 0;
}

static struct totals sum(const struct fleet *fleet)
{
    struct totals totals = {0};
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        totals.states[worker->state]++;
        count(&totals.jobs, figure(worker, "jobs"));
        count(&totals.errors, figure(worker, "errors"));
        if (fleet_alive(worker) || worker->state == FLEET_STOPPING)
            count(&totals.rate, figure(worker, "rate"));
    }
    return totals;
}

/* Appends ", 40 %", or ", " and what else the handler reported. */
static void append_progress(struct buffer *out, const struct json *progress)
{
    double fraction = json_as_number(progress, -1);
    if (json_kind(progress) == JSON_KIND_NULL)
        return;
    buffer_append_text(out, ", ");
    if (fraction >= 0 && fraction <= 1)
        buffer_printf(out, "%.0f %%", fraction * 100);
    else
        json_compact(out, progress);
}

static void append_running(struct buffer *out, const struct json *executor, size_t running)
{
    double age = text_now() - json_as_number(json_member(executor, "since"), text_now());
    const char *id = json_as_text(json_member(executor, "id"), NULL);
    buffer_append_text(out, json_as_text(json_member(executor, "job"), NULL));
    if (id)
        buffer_printf(out, " %s", id);
    buffer_append_text(out, ", ");
    text_duration(out, age > 0 ? (uint64_t)age : 0);
    append_progress(out, json_member(executor, "progress"));
    if (running > 1)
        buffer_printf(out, " and %zu more", running - 1);
}

/* What it does since when. A worker without executors (the talk's own) tells the name in its status. */
static void append_doing(struct buffer *out, const struct fleet_worker *worker)
{
    static const char processing[] = "processing_job_";
    size_t running;
    const char *status = fleet_text(worker, "status");
    const struct json *executor = fleet_longest(worker, &running);
    if (!worker->beat)
        buffer_printf(out, "no heartbeat: %s", worker->problem.text);
    else if (worker->state == FLEET_STOPPED || worker->state == FLEET_IDLE)
        buffer_append_text(out, "-");
    else if (executor)
        append_running(out, executor, running);
    else
        buffer_append_text(
            out, strncmp(status, processing, strlen(processing)) == 0 ? status + strlen(processing) : "-");
}

static void add_number(struct table *table, const struct fleet_worker *worker, const char *key, int digits)
{
    double number = figure(worker, key);
    if (number >= 0)
        table_add_format(table, "%.*f", digits, number);
    else
        table_add_text(table, "-");
}

static void add_text(struct table *table, const struct fleet_worker *worker, const char *key)
{
    const char *text = fleet_text(worker, key);
    table_add_text(table, *text ? text : "-");
}

static void add_worker(struct table *table, const struct fleet_worker *worker)
{
    struct buffer text = {0};
    table_add(table, worker->id, worker->id_size);
    add_text(table, worker, "host");
    add_number(table, worker, "pid", 0);
    add_text(table, worker, "version");
    table_add_text(table, fleet_state_names[worker->state]);
    append_doing(&text, worker);
    table_add_text(table, buffer_text(&text));
    add_number(table, worker, "jobs", 0);
    add_number(table, worker, "errors", 0);
    add_number(table, worker, "rate", 1);
    buffer_consume(&text, buffer_size(&text));
    if (worker->beat) {
        text_duration(&text, worker->age_s < 1e15 ? (uint64_t)worker->age_s : 0);
        buffer_append_text(&text, " ago");
    }
    table_add_text(table, worker->beat ? buffer_text(&text) : "-");
    buffer_free(&text);
}

static void append_totals(struct buffer *out, const struct fleet *fleet)
{
    struct totals totals = sum(fleet);
    const char *comma = ": ";
    buffer_printf(out, "%zu worker%s", fleet->count, fleet->count == 1 ? "" : "s");
    for (size_t i = 0; i < FLEET_STATES; i++)
        if (totals.states[i]) {
            buffer_printf(out, "%s%llu %s", comma, (unsigned long long)totals.states[i], fleet_state_names[i]);
            comma = ", ";
        }
    buffer_printf(out, "; %.0f jobs, %.0f errors, %.1f jobs/s\n", totals.jobs, totals.errors, totals.rate);
}

static void append_table(struct buffer *out, const struct fleet *fleet, const struct config *config)
{
    static const char *const titles[] = {
        "worker", "host", "pid", "version", "state", "doing", "jobs", "errors", "jobs/s", "last beat"};
    struct table table = {.columns = sizeof titles / sizeof *titles};
    if (!fleet->count) {
        buffer_printf(out, "no heartbeats (%s%s at %s): no worker ran with this Redis\n", config->redis.prefix,
            config->heartbeat.key, config->redis.server);
        return;
    }
    for (size_t i = 0; i < table.columns; i++)
        table_add_text(&table, titles[i]);
    for (size_t i = 0; i < fleet->count; i++)
        add_worker(&table, &fleet->workers[i]);
    table_finish(&table, out);
    buffer_append_text(out, "\n");
    for (size_t i = 0; i < fleet->count; i++) {
        const char *problem = fleet_text(&fleet->workers[i], "reload_error");
        if (*problem && fleet->workers[i].state != FLEET_STOPPED)
            buffer_printf(out, "%s refused to reload: %s\n", fleet->workers[i].id, problem);
    }
    append_totals(out, fleet);
}

static void append_beat(struct buffer *out, const struct fleet_worker *worker)
{
    if (worker->beat) {
        buffer_printf(out, "\"age\":%.3f,\"heartbeat\":", worker->age_s);
        json_compact(out, worker->beat);
    } else {
        buffer_append_text(out, "\"age\":null,\"heartbeat\":null,\"problem\":");
        json_quote(out, worker->problem.text, strlen(worker->problem.text));
    }
}

static void append_json(struct buffer *out, const struct fleet *fleet)
{
    struct totals totals = sum(fleet);
    buffer_append_text(out, "{\"workers\":[");
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        buffer_append_text(out, i ? ",{\"id\":" : "{\"id\":");
        json_quote(out, worker->id, worker->id_size);
        buffer_printf(out, ",\"state\":\"%s\",", fleet_state_names[worker->state]);
        append_beat(out, worker);
        buffer_append_text(out, "}");
    }
    buffer_printf(out, "],\"totals\":{\"workers\":%zu", fleet->count);
    for (size_t i = 0; i < FLEET_STATES; i++)
        buffer_printf(out, ",\"%s\":%llu", fleet_state_names[i], (unsigned long long)totals.states[i]);
    buffer_printf(out, ",\"jobs\":%.0f,\"errors\":%.0f,\"rate\":%.1f}}\n", totals.jobs, totals.errors, totals.rate);
}

/* Looks once and appends what it saw. Returns the exit code. */
static int look(struct session *session, bool as_json, struct buffer *out)
{
    struct error error;
    struct fleet fleet;
    int exit_code;
    if (!session->redis && !session_connect_redis(session, &exit_code))
        return exit_code;
    if (fleet_load(&fleet, session->redis, session->config, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (as_json)
        append_json(out, &fleet);
    else
        append_table(out, &fleet, session->config);
    fleet_free(&fleet);
    return EXIT_DONE;
}

static void draw(const struct buffer *text)
{
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[J", stdout);
    text_print(text);
    fflush(stdout);
}

/* Once a second until a signal says that it is enough; a Redis that is away is asked again. */
static int watch(struct session *session)
{
    const struct timespec second = {.tv_sec = 1};
    sigset_t enough;
    sigemptyset(&enough);
    sigaddset(&enough, SIGINT);
    sigaddset(&enough, SIGTERM);
    sigprocmask(SIG_BLOCK, &enough, NULL);
    do {
        struct buffer text = {0};
        int exit_code = look(session, false, &text);
        if (exit_code == EXIT_CONFIG)
            return exit_code;
        if (exit_code == EXIT_DONE)
            draw(&text);
        if (exit_code == EXIT_UNREACHABLE) {
            redis_client_close(session->redis);
            session->redis = NULL;
        }
        buffer_free(&text);
    } while (!ferror(stdout) && sigtimedwait(&enough, NULL, &second) < 0);
    return EXIT_DONE;
}

static int forget(struct session *session, const char *id)
{
    struct error error;
    bool found;
    int exit_code;
    if (!session_connect_redis(session, &exit_code))
        return exit_code;
    if (hash_remove(session->redis, session->config->heartbeat.key, id, &found, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!found)
        return session_failed(session, "there is no heartbeat of %s", id);
    struct buffer line = {0};
    buffer_append_text(&line, "forgot ");
    escape_append(&line, id, strlen(id), ESCAPE_LINE);
    buffer_append_text(&line, "; a worker of this id that still runs beats again\n");
    text_print(&line);
    buffer_free(&line);
    return EXIT_DONE;
}

static int status(struct session *session, const struct status *flags)
{
    struct buffer text = {0};
    if (!!flags->watch + !!flags->as_json + !!flags->forget > 1)
        return session_misused(session, "only one of --watch, --json and --forget");
    if (flags->forget)
        return forget(session, flags->forget);
    if (flags->watch)
        return watch(session);
    int exit_code = look(session, flags->as_json, &text);
    text_print(&text);
    buffer_free(&text);
    return exit_code;
}

int command_status(int argc, char **argv)
{
    struct status flags = {0};
    const struct option_spec specs[] = {
        {.name = "watch", .help = "again each second, until Ctrl-C", .value = &flags.watch},
        {.name = "json", .help = "one object: every heartbeat with its state, and the totals", .value = &flags.as_json},
        {"forget", "ID", "remove the heartbeat of a worker that will not come back", .value = &flags.forget},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "status",
        .usage = "",
        .summary = "Shows the workers as their heartbeats in Redis tell",
        .details = "states: idle, busy, stopping; stopped: ended as it should; stale: three beats are missed;\n"
                   "  crashed: stale, and its process on this host is gone, or no beat for a minute;\n"
                   "  unreadable: something else stands in the heartbeats under this name\n",
        .specs = specs,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, status(&session, &flags));
}
