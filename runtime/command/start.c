#include "command/start.h"

#include "command/binary.h"
#include "command/command.h"

#include <stdio.h>
#include <unistd.h>

int start_prepare(const char *command, const struct config *config, bool allow_root, char executor[PATH_MAX])
{
    if (geteuid() == 0 && !allow_root)
        fprintf(stderr,
            "lunastalk %s: it does not run as root: a mistake in a handler would be root's. Start it as another user, "
            "www-data for example (supervisord: user=; systemd: User=), or say --allow-root\n",
            command);
    else if (chdir(config->directory) != 0)
        fprintf(stderr, "lunastalk %s: cannot work in %s: %m\n", command, config->directory);
    else if (binary_executor(command, executor) == 0)
        return EXIT_DONE;
    return EXIT_CONFIG;
}
