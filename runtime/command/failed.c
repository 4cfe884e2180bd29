#include "command/again.h"
#include "command/command.h"
#include "command/faults.h"
#include "command/session.h"
#include "command/table.h"
#include "command/text.h"
#include "base/json.h"
#include "config/units.h"

#include <string.h>

enum { LISTED = 50 };

struct failed {
    const char *name, *match, *since, *tube, *limit, *show, *kick, *delete, *yes, *as_json;
};

static void add_row(struct table *table, const struct fault *fault)
{
    static const enum failed_field columns[] = {FAILED_NAME, FAILED_ID, FAILED_TUBE, FAILED_ATTEMPT, FAILED_STATE};
    struct buffer age = {0};
    double seconds = text_now() - (double)fault->at_ms / 1000;
    text_duration(&age, seconds > 0 ? (uint64_t)seconds : 0);
    table_add_text(table, buffer_text(&age));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_add_text(table, *fault->field[columns[i]] ? fault->field[columns[i]] : "-");
    table_add(table, fault->field[FAILED_ERROR], strcspn(fault->field[FAILED_ERROR], "\n"));
    buffer_free(&age);
}

static void print_list(const struct faults *faults)
{
    static const char *const titles[] = {"ago", "name", "job", "tube", "attempt", "state", "error"};
    struct table table = {.columns = sizeof titles / sizeof *titles};
    struct buffer text = {0};
    if (!faults->count) {
        puts("no failures that match");
        return;
    }
    for (size_t i = 0; i < table.columns; i++)
        table_add_text(&table, titles[i]);
    for (size_t i = 0; i < faults->count; i++)
        add_row(&table, faults->list[i]);
    table_finish(&table, &text);
    text_print(&text);
    if (faults->cut)
        printf("and more: --limit N shows so many\n");
    buffer_free(&text);
}

static void append_json(struct buffer *out, const struct fault *fault)
{
    buffer_printf(out, "{\"at\":%.3f", (double)fault->at_ms / 1000);
    for (size_t i = 0; i < FAILED_FIELDS; i++) {
        buffer_printf(out, ",\"%s\":", failed_names[i]);
        json_quote(out, fault->field[i], strlen(fault->field[i]));
    }
    buffer_append_text(out, "}");
}

static void print_json(const struct faults *faults)
{
    struct buffer text = {0};
    buffer_append_text(&text, "[");
    for (size_t i = 0; i < faults->count; i++) {
        buffer_append_text(&text, i ? ",\n" : "");
        append_json(&text, faults->list[i]);
    }
    buffer_append_text(&text, "]\n");
    text_print(&text);
    buffer_free(&text);
}

/* A traceback is indented by tabs, which the escaping would spell out. */
static void append_indented(struct buffer *out, const char *text)
{
    for (; *text; text++)
        buffer_append(out, *text == '\t' ? "    " : text, *text == '\t' ? 4 : 1);
    buffer_append_text(out, "\n");
}

static void print_failure(const struct fault *fault)
{
    struct buffer text = {0};
    char *const *field = fault->field;
    buffer_printf(
        &text, "job        %s at %s (instance %s)\n", field[FAILED_ID], field[FAILED_SERVER], field[FAILED_INSTANCE]);
    buffer_printf(&text, "name       %s\ntube       %s\nfailed     ", field[FAILED_NAME], field[FAILED_TUBE]);
    text_moment(&text, (double)fault->at_ms / 1000);
    buffer_printf(&text, "\nattempt    %s, after %s s\nstate      %s", field[FAILED_ATTEMPT], field[FAILED_RUNTIME],
        field[FAILED_STATE]);
    if (strcmp(field[FAILED_STATE], "retrying") == 0)
        buffer_printf(&text, " after %s s", field[FAILED_DELAY]);
    buffer_printf(&text, "\nworker     %s\n", field[FAILED_WORKER]);
    if (*field[FAILED_RECORD])
        buffer_printf(&text, "record     %s\n", field[FAILED_RECORD]);
    buffer_printf(&text, "\n%s\n", field[FAILED_ERROR]);
    append_indented(&text, field[FAILED_TRACEBACK]);
    text_print(&text);
    buffer_free(&text);
}

static int show(struct session *session, const struct failed *flags, const struct faults *faults)
{
    if (!faults->count)
        return session_failed(session, "no failure of job %s%s", flags->show,
            flags->name || flags->match || flags->tube || flags->since ? " matches" : " is in the index");
    if (flags->as_json)
        print_json(faults);
    else
        print_failure(faults->list[0]);
    return EXIT_DONE;
}

static int list(struct session *session, const struct failed *flags, const struct faults_filter *filter)
{
    struct error error;
    struct faults faults;
    int exit_code = EXIT_DONE;
    if (faults_read(&faults, session->redis, filter, &error) < 0)
        exit_code = session_failed(session, "%s", error.text);
    else if (flags->show)
        exit_code = show(session, flags, &faults);
    else if (flags->as_json)
        print_json(&faults);
    else
        print_list(&faults);
    faults_free(&faults);
    return exit_code;
}

static int read_flags(const struct failed *flags, struct faults_filter *filter, struct error *error)
{
    uint64_t ms = 0, id;
    bool act = flags->kick || flags->delete;
    double now_ms = text_now() * 1000;
    *filter = (struct faults_filter){.id = flags->show,
        .name = flags->name,
        .tube = flags->tube,
        .match = flags->match,
        .whole = act,
        .most = flags->show ? 1
                : act       ? 0
                            : LISTED};
    if (!!flags->show + !!flags->kick + !!flags->delete > 1)
        return error_set(error, "only one of --show, --kick and --delete");
    if (flags->yes && !act)
        return error_set(error, "--yes is for --kick and --delete");
    if (flags->show && (flags->limit || option_number("--show", flags->show, 1, UINT64_MAX, &id, error) < 0))
        return flags->limit ? error_set(error, "--show and --limit: one job is shown") : -1;
    if (flags->limit && option_number("--limit", flags->limit, 1, UINT32_MAX, &filter->most, error) < 0)
        return -1;
    if (flags->since && !units_duration(flags->since, &ms))
        return error_set(error, "--since: '%s' is no duration: 90s, 5m, 2h, 7d", flags->since);
    filter->since_ms = flags->since && (double)ms < now_ms ? (uint64_t)now_ms - ms : 0;
    return 0;
}

static int failed(struct session *session, const struct failed *flags)
{
    struct error error;
    struct faults_filter filter;
    int exit_code;
    if (read_flags(flags, &filter, &error) < 0)
        return session_misused(session, "%s", error.text);
    if (!session_connect_redis(session, &exit_code))
        return exit_code;
    if (!flags->kick && !flags->delete)
        return list(session, flags, &filter);
    const struct again again = {
        .verb = flags->kick ? AGAIN_KICK : AGAIN_DELETE, .yes = flags->yes, .as_json = flags->as_json};
    return again_run(session, &again, &filter);
}

int command_failed(int argc, char **argv)
{
    struct failed flags = {0};
    const struct option_spec specs[] = {
        {"job", "NAME", "of this handler", .value = &flags.name},
        {"match", "TEXT", "with this text in error or traceback, in any case", .value = &flags.match},
        {"since", "DURATION", "in the last 90s, 5m, 2h, 7d", .value = &flags.since},
        {"tube", "NAME", "of this tube", .value = &flags.tube},
        {"limit", "N", "the last N of them (50; --kick and --delete: all)", .value = &flags.limit},
        {"show", "ID", "one job's last failure, with traceback and last log lines", .value = &flags.show},
        {.name = "kick", .help = "make those that are buried ready again", .value = &flags.kick},
        {.name = "delete", .help = "delete the jobs, as far as no worker holds them", .value = &flags.delete},
        {.name = "yes", .help = "do it, do not ask", .value = &flags.yes},
        {.name = "json", .help = "a list of objects; with --kick or --delete counts", .value = &flags.as_json},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "failed",
        .usage = "",
        .summary = "Lists the last failure of each job that failed, the newest first",
        .details =
            "--kick and --delete count first, and do nothing without --yes or a yes on the terminal. They act on\n"
            "jobs of the beanstalkd that is configured, and only while the job is still there under its name.\n"
            "examples:\n  lunastalk failed --job send_email --since 1h\n"
            "  lunastalk failed --match 'connection refused' --kick\n",
        .specs = specs,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, failed(&session, &flags));
}
