#ifndef LUNASTALK_COMMAND_START_H
#define LUNASTALK_COMMAND_START_H
/* What commands that run handlers (`run`, `exec`) have to see to before. */
#include "config/config.h"

#include <limits.h>

/*
 * Refuses root unless `allow_root`, enters the project's directory, and finds the executor's binary. Returns EXIT_DONE, or
 * EXIT_CONFIG and what is wrong is on stderr.
 */
int start_prepare(const char *command, const struct config *config, bool allow_root, char executor[PATH_MAX]);

#endif
