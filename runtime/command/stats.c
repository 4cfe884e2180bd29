#include "base/json.h"
#include "base/memory.h"
#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"
#include "command/text.h"

#include <stdlib.h>
#include <string.h>

static const struct column {
    const char *title, *key;
    bool summed;
} columns[] = {
    {"ready", "current_jobs_ready", true},
    {"reserved", "current_jobs_reserved", true},
    {"delayed", "current_jobs_delayed", true},
    {"buried", "current_jobs_buried", true},
    {"waiting", "current_waiting", false}, // a worker watches several tubes: a sum would count it several times
    {"watching", "current_watching", false},
    {"paused", "pause_time_left", false},
    {"total", "total_jobs", true},
};

enum { COLUMNS = sizeof columns / sizeof *columns, WIDTH = 10, DEPTH = 4 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Appends the tube's statistics; that it is not there is only an error when it was asked for. Returns the exit code. */
static int append_tube(struct session *session, const char *tube, bool asked_for, struct buffer *out)
{
    struct error error;
    struct buffer text = {0};
    bool found;
    int exit_code = EXIT_DONE;
    if (client_stats_tube(session->client, tube, &text, &found, &error) < 0)
        exit_code = session_failed(session, "%s", error.text);
    else if (!found && asked_for)
        exit_code = session_failed(session, "there is no tube %s: one is there while it has jobs or workers", tube);
    if (buffer_size(&text))
        buffer_append_text(out, buffer_data(out)[buffer_size(out) - 1] == '[' ? "" : ",");
    buffer_append(out, buffer_data(&text), buffer_size(&text));
    buffer_free(&text);
    return exit_code;
}

/* All tubes, by name. */
static int append_all(struct session *session, struct buffer *out)
{
    struct error error;
    struct buffer text = {0};
    int exit_code = EXIT_DONE;
    struct json *list = NULL;
    if (client_tubes(session->client, &text, &error) == 0)
        list = json_parse(buffer_data(&text), buffer_size(&text), DEPTH, &error);
    if (!list)
        exit_code = session_failed(session, "%s", error.text);
    const char **tubes = mem_new((json_length(list) + 1) * sizeof *tubes);
    for (size_t i = 0; i < json_length(list); i++)
        tubes[i] = json_as_text(json_item(list, i), NULL);
    qsort(tubes, json_length(list), sizeof *tubes, by_text);
    for (size_t i = 0; i < json_length(list) && exit_code != EXIT_UNREACHABLE; i++)
        exit_code = append_tube(session, tubes[i], false, out);
    free(tubes);
    json_free(list);
    buffer_free(&text);
    return exit_code;
}

/* Appends {"server": {…}, "tubes": [{…}, …]}, or nothing when the server cannot tell. Returns the exit code. */
static int collect(struct session *session, struct buffer *out)
{
    struct error error;
    int exit_code = EXIT_DONE;
    buffer_append_text(out, "{\"server\":");
    if (client_stats(session->client, out, &error) < 0) {
        buffer_free(out);
        return session_failed(session, "%s", error.text);
    }
    buffer_append_text(out, ",\"tubes\":[");
    if (!session->count)
        exit_code = append_all(session, out);
    for (int i = 0; i < session->count && exit_code != EXIT_UNREACHABLE; i++) {
        int failed = append_tube(session, session->arguments[i], true, out);
        if (failed)
            exit_code = failed;
    }
    buffer_append_text(out, "]}\n");
    if (exit_code == EXIT_UNREACHABLE)
        buffer_free(out);
    return exit_code;
}

static void print_server(const struct session *session, const struct json *server)
{
    struct buffer line = {0};
    uint64_t connections = lookup_number(server, "current_connections");
    buffer_printf(
        &line, "beanstalkd %s at %s, up ", lookup_text(server, "version"), session->config->beanstalkd.server);
    text_duration(&line, lookup_number(server, "uptime"));
    buffer_printf(&line, ", instance %s, %llu connection%s, binlog %s%s\n\n", lookup_text(server, "id"),
        (unsigned long long)connections, connections == 1 ? "" : "s",
        lookup_number(server, "binlog_current_index") ? "on" : "off",
        json_as_boolean(json_member(server, "draining"), false) ? ", draining: it takes no new jobs" : "");
    text_print(&line);
    buffer_free(&line);
}

static size_t widest(const struct json *tubes)
{
    size_t width = strlen("total");
    for (size_t i = 0; i < json_length(tubes); i++) {
        size_t length = strlen(lookup_text(json_item(tubes, i), "name"));
        width = length > width ? length : width;
    }
    return width;
}

static void append_tube_row(struct buffer *out, const struct json *tube, size_t width, uint64_t sums[COLUMNS])
{
    buffer_printf(out, "%-*s", (int)width, lookup_text(tube, "name"));
    for (size_t i = 0; i < COLUMNS; i++) {
        char cell[32] = "no";
        uint64_t number = lookup_number(tube, columns[i].key);
        if (strcmp(columns[i].title, "paused") != 0)
            snprintf(cell, sizeof cell, "%llu", (unsigned long long)number);
        else if (lookup_number(tube, "pause"))
            snprintf(cell, sizeof cell, "%llu s", (unsigned long long)number);
        buffer_printf(out, "%*s", WIDTH, cell);
        sums[i] += number;
    }
    buffer_append_text(out, "\n");
}

static void print_tubes(const struct json *tubes)
{
    struct buffer out = {0};
    uint64_t sums[COLUMNS] = {0};
    size_t width = widest(tubes);
    buffer_printf(&out, "%-*s", (int)width, "tube");
    for (size_t i = 0; i < COLUMNS; i++)
        buffer_printf(&out, "%*s", WIDTH, columns[i].title);
    buffer_append_text(&out, "\n");
    for (size_t i = 0; i < json_length(tubes); i++)
        append_tube_row(&out, json_item(tubes, i), width, sums);
    buffer_printf(&out, "%-*s", (int)width, "total");
    for (size_t i = 0; i < COLUMNS; i++)
        if (columns[i].summed)
            buffer_printf(&out, "%*llu", WIDTH, (unsigned long long)sums[i]);
        else
            buffer_printf(&out, "%*s", WIDTH, "");
    buffer_append_text(&out, "\n");
    text_print(&out);
    buffer_free(&out);
}

static int show(struct session *session, bool as_json)
{
    struct error error;
    struct buffer text = {0};
    for (int i = 0; i < session->count; i++)
        if (client_check_tube(session->arguments[i], &error) < 0)
            return session_misused(session, "%s", error.text);
    int exit_code = session_connect(session) ? collect(session, &text) : EXIT_UNREACHABLE;
    struct json *all = as_json ? NULL : json_parse(buffer_data(&text), buffer_size(&text), DEPTH, &error);
    if (as_json)
        text_print(&text);
    if (all) {
        print_server(session, json_member(all, "server"));
        print_tubes(json_member(all, "tubes"));
    }
    json_free(all);
    buffer_free(&text);
    return exit_code;
}

int command_stats(int argc, char **argv)
{
    const char *as_json = NULL;
    const struct option_spec specs[] = {
        {.name = "json", .help = "one object with all that beanstalkd tells", .value = &as_json},
        {.name = "beanstalkd"},
        {0},
    };
    const struct options options = {
        .command = "stats",
        .usage = "[TUBE ...]",
        .summary = "Shows the server and its tubes (or those named): jobs by state, connections that wait and watch",
        .details =
            "total counts all jobs that were ever put into the tube. This command's own connection is not counted.\n",
        .specs = specs,
        .most = SIZE_MAX,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, show(&session, as_json));
}
