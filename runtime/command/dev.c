#include "base/memory.h"
#include "command/command.h"
#include "command/development.h"
#include "command/options.h"
#include "command/owner.h"
#include "config/dev.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char details[] =
    "Starts a private beanstalkd, a private Redis and a worker for the project: the directory of config.yml, or the\n"
    "current one. What is saved in jobs/ runs at once; code that does not load is refused with file and line, and\n"
    "what ran before stays. The servers' data and logs are in .lunastalk/ of the project, and jobs that wait are\n"
    "there again the next time. The worker logs to this terminal alone, debug records too; LUNASTALK_LOG is another\n"
    "log:.\n"
    "\n"
    "While it lives, every other command in the project talks to its servers and says so, unless told otherwise by a\n"
    "flag or a variable.\n"
    "\n"
    "INT (Ctrl-C), TERM and HUP end all of it; running jobs finish as worker.shutdown_timeout allows, a second signal\n"
    "cuts them short. Started by root, it becomes the owner of the project.\n"
    "\n"
    "Exit codes: 0 ended as asked; 1 something did not start, or ended by itself; 64 wrong usage;\n"
    "78 the configuration is wrong, or the project is root's and --allow-root is not given.\n";

/* The file itself and not /proc/self/exe: after an upgrade in place the next worker is of the new build. */
static char *find_program(void)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    return mem_copy(path, size > 0 ? (size_t)size : 0);
}

/* As whom, and where. */
static int enter(const char *project, bool allow_root)
{
    struct error error;
    if (owner_is_root(project) && !allow_root) {
        development_say(
            "%s is root's, and handlers do not run as root: a mistake in one would be root's. Give it to the"
            " user who works on it (chown -R USER %s), or say --allow-root",
            project, project);
        return EXIT_CONFIG;
    }
    if (owner_become(project, &error) == 0) {
        if (chdir(project) != 0)
            error_set(&error, "cannot work in %s: %s", project, strerror(errno));
        else if (dev_claim(&error) == 0)
            return EXIT_DONE;
    }
    development_say("%s", error.text);
    return EXIT_FAILED;
}

int command_dev(int argc, char **argv)
{
    const char *allow_root = NULL;
    const struct option_spec specs[] = {
        {"allow-root", NULL, "run as root in a project of root's, and every handler too", .value = &allow_root},
        {0},
    };
    const struct options options = {
        .command = "dev",
        .usage = "",
        .summary =
            "Runs all that a project needs until Ctrl-C: beanstalkd, Redis and a worker that loads what is saved",
        .details = details,
        .specs = specs,
    };
    int count, exit_code;
    struct config *config = options_parse(&options, argc, argv, &count, &exit_code);
    if (!config)
        return exit_code;
    char *program = find_program();
    exit_code = enter(config->directory, allow_root);
    if (exit_code == EXIT_DONE)
        exit_code = development_run(config, program, allow_root);
    else
        config_free(config);
    free(program);
    return exit_code;
}
