#ifndef LUNASTALK_COMMAND_DEVELOPMENT_H
#define LUNASTALK_COMMAND_DEVELOPMENT_H
/* The running `lunastalk dev`: servers, worker and watched files of the project in the current directory. */
#include "config/config.h"

/*
 * Runs until a signal ends it, or what it has started does. The project is claimed (config/dev.h). `program` is our own
 * binary. Frees the configuration; returns the exit code.
 */
int development_run(struct config *config, const char *program, bool allow_root);
/* A line on stderr. */
void development_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
