#include "command/command.h"
#include "command/options.h"
#include "command/start.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>

static const char details[] =
    "N numbers the worker in its pool; it is part of the worker's id, which stays the same across restarts.\n"
    "\n"
    "  lunastalk run                      one worker, with ./config.yml or the defaults\n"
    "  lunastalk run 3 --name=images      as {host}_images3\n"
    "  lunastalk run --executors=4        four jobs at a time\n"
    "  lunastalk run --stop-when-empty    run what is ready, then stop: for cron and tests\n"
    "\n"
    "TERM, INT and QUIT stop it: running jobs finish within worker.shutdown_timeout, the others go back to the queue;\n"
    "a second signal stops it now. HUP reloads: handlers, and jobs:, settings: and log: of config.yml, or says why not "
    "and\n"
    "keeps what it has. USR1 opens the log's files anew, after they were renamed. USR2 is ignored.\n"
    "\n"
    "A beanstalkd that cannot be reached is waited for, with --stop-when-empty too: add --run where that must end.\n"
    "\n"
    "Exit codes: 0 stopped as asked; 1 running jobs were cut short and are back in the queue; 64 wrong usage;\n"
    "78 the configuration or a handler is wrong, or it was started as root without --allow-root.\n";

/* The flags of this command, as text; NULL: not given. */
struct flags {
    const char *run, *max_jobs, *stop_when_empty, *allow_root;
};

static int misused(const char *text)
{
    fprintf(stderr, "lunastalk run: %s\n", text);
    return -1;
}

static int read_number(const char *flag, const char *text, uint64_t *number)
{
    struct error error;
    if (text && option_number(flag, text, 1, UINT32_MAX, number, &error) < 0)
        return misused(error.text);
    return 0;
}

static int read_flags(const struct flags *flags, const char *number, struct worker_options *options)
{
    struct error error;
    uint64_t n = 1;
    if (number && option_number("N", number, 0, 99999, &n, &error) < 0)
        return misused(error.text);
    options->number = (unsigned)n;
    options->stop_when_empty = flags->stop_when_empty != NULL;
    if (read_number("--run", flags->run, &options->run_s) < 0)
        return -1;
    return read_number("--max-jobs", flags->max_jobs, &options->max_jobs);
}

/* A closed terminal, or a logrotate that means somebody else, does not end a worker in the middle of a job. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_IGN);
}

static int run(const struct config *config, const struct worker_options *options)
{
    static const int exit_codes[] = {
        [WORKER_DONE] = EXIT_DONE, [WORKER_CUT] = EXIT_FAILED, [WORKER_REFUSED] = EXIT_CONFIG};
    options_tell_dev("run", config);
    ignore_signals();
    return exit_codes[worker_run(config, options)];
}

int command_run(int argc, char **argv)
{
    struct flags flags = {0};
    char executor[PATH_MAX];
    struct worker_options worker = {.executor = executor};
    const struct option_spec specs[] = {
        {"run", "SECONDS", "stop after this time", .value = &flags.run},
        {"max-jobs", "COUNT", "stop after this many jobs", .value = &flags.max_jobs},
        {"stop-when-empty", NULL, "stop when no job is ready; delayed ones do not count",
            .value = &flags.stop_when_empty},
        {"allow-root", NULL, "run as root, and every handler too", .value = &flags.allow_root},
        {.name = "tube"},
        {.name = "executors"},
        {.name = "name"},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {.name = "log-level"},
        {0},
    };
    const struct options options = {
        .command = "run",
        .usage = "[N]",
        .summary = "Runs a worker until it is told to stop",
        .details = details,
        .specs = specs,
        .most = 1,
    };
    int count, exit_code;
    struct config *config = options_parse(&options, argc, argv, &count, &exit_code);
    if (!config)
        return exit_code;
    exit_code = EXIT_USAGE;
    if (read_flags(&flags, count ? argv[0] : NULL, &worker) == 0)
        exit_code = start_prepare("run", config, flags.allow_root, executor);
    if (exit_code == EXIT_DONE)
        exit_code = run(config, &worker);
    config_free(config);
    return exit_code;
}
