/* `lunastalk test` and `lunastalk lua`: a Lua script in a process of its own, which is lunastalk-executor (lua/script.h). */
#include "base/memory.h"
#include "command/binary.h"
#include "command/command.h"
#include "command/text.h"
#include "config/config.h"
#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WIRE = 3 };

static const char test_help[] =
    "usage: lunastalk test [arguments of busted]\n"
    "\n"
    "Runs the specs in spec/ with busted under LuaJIT, where `require \"lunastalk.testing\"` performs handlers;\n"
    "nothing reaches a server. It works in the directory of config.yml (or LUNASTALK_CONFIG), and takes jobs: and\n"
    "settings: from there. Arguments are busted's; a .busted file counts.\n"
    "\n"
    "  lunastalk test                                     all of them\n"
    "  lunastalk test spec/jobs/send_email_spec.lua       one file\n"
    "  lunastalk test --filter=refunds -o TAP             what matches, as TAP\n"
    "\n"
    "Exit codes: 0 all passed; 1 not; 78 the configuration is wrong, busted is not installed, or there is no spec/.\n";

static const char lua_help[] =
    "usage: lunastalk lua SCRIPT [arguments]\n"
    "\n"
    "Runs a Lua script under LuaJIT with Lunastalk's modules, as `lunastalk test` runs busted. A .busted file with\n"
    "`lua = \"lunastalk lua\"` has plain busted run so.\n";

/* The configuration as a frame in a file without name, on descriptor 3: it may hold passwords. */
static int put_config(const struct config *config)
{
    const struct executor_options options = {.jobs_path = config->jobs.path, .settings = config->settings};
    struct buffer frame = {0};
    executor_put_config(&frame, &options, "");
    int fd = memfd_create("lunastalk-config", MFD_CLOEXEC);
    bool written = fd >= 0 && write(fd, buffer_data(&frame), buffer_size(&frame)) == (ssize_t)buffer_size(&frame) &&
                   lseek(fd, 0, SEEK_SET) == 0;
    buffer_free(&frame);
    if (!written)
        return -1;
    return fd == WIRE ? fcntl(fd, F_SETFD, 0) : dup2(fd, WIRE);
}

/* Becomes lunastalk-executor. Returns only when it cannot: the exit code. */
static int become(const char *command, const struct config *config, const char *executor, char **arguments)
{
    if (chdir(config->directory) != 0) {
        fprintf(stderr, "lunastalk %s: cannot work in %s: %s\n", command, config->directory, strerror(errno));
        return EXIT_CONFIG;
    }
    if (put_config(config) >= 0)
        execv(executor, arguments);
    fprintf(stderr, "lunastalk %s: cannot start %s: %s\n", command, executor, strerror(errno));
    return EXIT_CONFIG;
}

static int start(const char *command, const struct config *config, int argc, char **argv)
{
    char executor[PATH_MAX], max[16], delay[16];
    if (binary_executor(command, executor) < 0)
        return EXIT_CONFIG;
    snprintf(max, sizeof max, "%u", config->jobs.retry.max);
    snprintf(delay, sizeof delay, "%u", config->jobs.retry.delay_s);
    char *const fixed[] = {executor, "--script", max, delay};
    char **arguments = mem_new(sizeof fixed + ((size_t)argc + 1) * sizeof *arguments);
    memcpy(arguments, fixed, sizeof fixed);
    memcpy(arguments + sizeof fixed / sizeof *fixed, argv, (size_t)argc * sizeof *argv);
    int code = become(command, config, executor, arguments);
    free(arguments);
    return code;
}

/* A .busted may name another directory. */
static bool lacks_specs(const char *directory)
{
    char specs[PATH_MAX], options[PATH_MAX];
    snprintf(specs, sizeof specs, "%s/spec", directory);
    snprintf(options, sizeof options, "%s/.busted", directory);
    return access(specs, F_OK) != 0 && access(options, F_OK) != 0;
}

static int test(const struct config *config, int argc, char **argv)
{
    if (argc == 1 && lacks_specs(config->directory)) {
        fprintf(stderr, "lunastalk test: there is no spec/ in %s: `lunastalk new NAME` writes a handler and its spec\n",
            config->directory);
        return EXIT_CONFIG;
    }
    return start("test", config, argc, argv);
}

static int lua(const struct config *config, int argc, char **argv)
{
    return start("lua", config, argc, argv);
}

static int run(int (*command)(const struct config *, int, char **), int argc, char **argv)
{
    struct buffer errors = {0};
    struct config *config = config_load(NULL, environ, NULL, 0, &errors);
    if (!config) {
        text_write(stderr, &errors);
        buffer_free(&errors);
        return EXIT_CONFIG;
    }
    int code = command(config, argc, argv);
    config_free(config);
    return code;
}

static bool asks_for_help(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "--help") == 0;
}

int command_test(int argc, char **argv)
{
    static char busted[] = "busted";
    if (asks_for_help(argc, argv)) {
        fputs(test_help, stdout);
        return EXIT_DONE;
    }
    argv[0] = busted;
    return run(test, argc, argv);
}

int command_lua(int argc, char **argv)
{
    if (asks_for_help(argc, argv) || argc < 2) {
        fputs(lua_help, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    return run(lua, argc - 1, argv + 1);
}
