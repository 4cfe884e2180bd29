#ifndef LUNASTALK_COMMAND_DEV_WATCH_H
#define LUNASTALK_COMMAND_DEV_WATCH_H
/*
 * The files whose change `lunastalk dev` has the worker load (inotify): *.lua below the jobs directory, which need not be
 * there yet, and the configuration. Names that begin with a dot are of editors.
 */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct dev_watch {
    int fd;                    // readable: call dev_watch_read()
    const char *jobs, *config; // absolute paths
    struct dev_watch_place *places;
    size_t count;
};

/* Borrows both paths. 0, or -1 and `error`; closed with dev_watch_close() in both cases. */
int dev_watch_open(struct dev_watch *watch, const char *jobs, const char *config, struct error *error);
/* Reads what has happened, without waiting. 1: a file that matters has changed; 0: none has; -1 and `error`. */
int dev_watch_read(struct dev_watch *watch, struct error *error);
void dev_watch_close(struct dev_watch *watch);

#endif
