/* argv to command; what concerns the process as a whole and every command. */
#include "base/suggest.h"
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", command_run, "take jobs from beanstalkd and run them"},
    {"dev", command_dev, "beanstalkd, Redis and a worker of this project's own, for development"},
    {"put", command_put, "put a job, or a file of them, into a tube"},
    {"exec", command_exec, "try one job, outside the queue"},
    {"status", command_status, "the workers and what they do"},
    {"stats", command_stats, "the server and its tubes"},
    {"peek", command_peek, "show a job"},
    {"kick", command_kick, "run buried jobs again"},
    {"delete", command_delete, "delete jobs"},
    {"cancel", command_cancel, "end a job that runs"},
    {"failed", command_failed, "what failed and why; run it again"},
    {"record", command_record, "what became of a job with an id"},
    {"reload", command_reload, "have all workers load their handlers anew"},
    {"new", command_new, "begin a handler, with its spec"},
    {"test", command_test, "run the specs of handlers with busted"},
    {"lua", command_lua, "run a Lua script with Lunastalk's modules"},
    {"log-test", command_log_test, "try all sinks of the log"},
    {"config", command_config, "show or check the configuration"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *out)
{
    fputs("usage: lunastalk COMMAND [arguments] [flags]\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'lunastalk COMMAND --help' tells more; 'lunastalk --version' prints the version.\n", out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *close = suggest(name, names, COMMANDS);
    if (close)
        fprintf(stderr, "lunastalk: unknown command '%s'; did you mean '%s'?\n", name, close);
    else
        fprintf(stderr, "lunastalk: unknown command '%s'; 'lunastalk --help' lists them\n", name);
    return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
    char *help[] = {argv[0], "--help", NULL};
    if (!argc) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        puts("lunastalk " LUNASTALK_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(argv[0], "help") == 0 && argc > 1) {
        help[0] = argv[1];
        argv = help;
        argc = 2;
    } else if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    const struct command *command = find_command(argv[0]);
    return command ? command->run(argc, argv) : unknown_command(argv[0]);
}

/* A socket that got the number of a closed stdout would receive what is printed. Writing here fails instead. */
static void hold_standard_streams(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

/* Whether all that was printed is written; a reader that had enough (`| head`) needs no message. */
static bool flush_output(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    const char *why = errno ? strerror(errno) : "write error";
    if (poll(&output, 1, 0) < 1 || !(output.revents & POLLERR))
        fprintf(stderr, "lunastalk: cannot write the output: %s; what was done stays done\n", why);
    return false;
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    // A server that goes away, or a reader of ours, is an error of that write, not our end.
    signal(SIGPIPE, SIG_IGN);
    int code = dispatch(argc ? argc - 1 : 0, argv + 1);
    return (flush_output() || code) ? code : EXIT_FAILED;
}
