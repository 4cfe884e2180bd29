#include "command/command.h"
#include "command/options.h"
#include "command/table.h"
#include "config/secret.h"
#include "log/log.h"
#include "redis/connection.h"
#include "worker/sinks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_MS = 35 * 1000 }; // a mail has 30 s

static const char details[] =
    "Writes a record of each level, debug to emergency, to the sinks of log: as a worker would, waits until they are\n"
    "written, 35 s at most, and tells what became of them. A mail goes out at once, whatever the interval.\n"
    "Run it as the user of the workers, since it makes the files as they do: root's they could not write.\n"
    "\n"
    "Exit codes: 0 every sink has written all that its level lets through; 1 one has not: which and why is shown;\n"
    "64 wrong usage; 78 the configuration is wrong, or it was started as root without --allow-root.\n";

struct log_test {
    uv_loop_t loop;
    uv_prepare_t turn;
    struct identity identity;
    struct sinks sinks;
    struct redis *redis;
};

static void on_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    log_flush();
}

static void on_up(void *context)
{
    (void)context;
}

/* Redis is there, or is not. */
static void on_ready(void *context, bool up)
{
    struct log_test *test = context;
    (void)up;
    for (unsigned level = 0; level < LEVEL_COUNT; level++)
        LOG((enum level)level, "a test record of level {level}", F_TEXT("level", level_name(level)));
    log_flush();
    sinks_stop(&test->sinks, LIMIT_MS);
    sinks_connect(&test->sinks, NULL);
    if (test->redis)
        redis_close(test->redis);
}

static void add_row(struct table *table, const struct log_account *account, const char *fault)
{
    table_add_text(table, account->name);
    table_add_text(table, level_name(account->level));
    table_add_format(table, "%llu", account->taken);
    table_add_format(table, "%llu", account->written);
    table_add_text(table, fault);
}

struct report {
    struct table table;
    bool failed;
};

static void on_account(void *context, const struct log_account *account)
{
    struct report *report = context;
    bool whole = account->written == account->taken && !account->lost;
    const char *fault = whole ? "" : *account->fault ? account->fault : "not reached";
    report->failed = report->failed || !whole;
    add_row(&report->table, account, fault);
}

static bool show(void)
{
    struct report report = {.table = {.columns = 5}};
    struct buffer out = {0};
    table_add_text(&report.table, "sink");
    table_add_text(&report.table, "level");
    table_add_text(&report.table, "records");
    table_add_text(&report.table, "written");
    table_add_text(&report.table, "fault");
    log_accounts(on_account, &report);
    table_finish(&report.table, &out);
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return !report.failed;
}

static int run(const struct config *config, const char *password)
{
    struct log_test test = {.redis = NULL};
    signal(SIGPIPE, SIG_IGN);
    identity_make(&test.identity, "log-test", (unsigned)getpid());
    snprintf(test.identity.pool, sizeof test.identity.pool, "log-test:%s",
        test.identity.instance); // its mail waits for nobody
    log_identify(test.identity.id, test.identity.instance);
    uv_loop_init(&test.loop);
    sinks_open(&test.sinks, &test.loop, &test.identity);
    log_open(&test.loop, config);
    uv_prepare_init(&test.loop, &test.turn);
    uv_prepare_start(&test.turn, on_turn);
    uv_unref((uv_handle_t *)&test.turn);
    if (config->redis.server) {
        test.redis = redis_new(&test.loop, config, password, on_up, NULL);
        sinks_connect(&test.sinks, test.redis);
        redis_when_up(test.redis, on_ready, &test);
    } else {
        on_ready(&test, false);
    }
    uv_run(&test.loop, UV_RUN_DEFAULT);
    bool good = show();
    uv_close((uv_handle_t *)&test.turn, NULL);
    log_close();
    uv_run(&test.loop, UV_RUN_DEFAULT);
    uv_loop_close(&test.loop);
    return good ? EXIT_DONE : EXIT_FAILED;
}

int command_log_test(int argc, char **argv)
{
    const char *allow_root = NULL;
    const struct option_spec specs[] = {
        {"allow-root", NULL, "run as root, whose the new files are then", .value = &allow_root},
        {.name = "redis"},
        {.name = "log-level"},
        {0},
    };
    const struct options options = {
        .command = "log-test",
        .usage = "",
        .summary = "Sends a record of each level through the log",
        .details = details,
        .specs = specs,
    };
    char password[SECRET_ROOM];
    struct error error;
    int count, exit_code;
    struct config *config = options_parse(&options, argc, argv, &count, &exit_code);
    if (!config)
        return exit_code;
    if (geteuid() == 0 && !allow_root) {
        fputs("lunastalk log-test: it does not run as root: the files would be root's, which the workers cannot write."
              " Start it as their user, or say --allow-root\n",
            stderr);
        exit_code = EXIT_CONFIG;
    } else if (secret_read(password, "redis.password", config->redis.password, config->redis.password_file, &error) <
               0) {
        fprintf(stderr, "lunastalk log-test: %s\n", error.text);
        exit_code = EXIT_CONFIG;
    } else {
        if (config->dev.redis)
            options_tell_dev("log-test", config);
        exit_code = run(config, password);
    }
    config_free(config);
    return exit_code;
}
