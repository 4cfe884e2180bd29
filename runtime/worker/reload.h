#ifndef LUNASTALK_WORKER_RELOAD_H
#define LUNASTALK_WORKER_RELOAD_H
/*
 * Reload: config.yml is read again, and a new generation of executors loads the handlers and takes over; or all stays as
 * it was, and the log says why. Of the configuration jobs:, log: and settings: are taken over.
 */
#include "config/config.h"

#include <stdint.h>

struct worker;

/* Zero-initialise. */
struct reload {
    char *wanted;          // why one is to begin; NULL: none is
    char *why;             // why the last one began
    struct config *coming; // of the generation that loads, or that did not
    struct config *loaded; // of the one that serves; NULL: as at start
    uint64_t began_ns;     // of the one that loads
    char *error;           // why the last one was refused, a line; NULL: it was not, or there was none
    bool overtaken;        // the one that loads was followed by one whose configuration was refused: `error` is of that
};

/*
 * At the end of this turn, or when fewer than two former generations finish their jobs. Another one that is under way
 * begins anew. `why` is for the log ("SIGHUP"). Does nothing in a worker that stops.
 */
void worker_reload(struct worker *worker, const char *why);
/* Whether one is to begin or under way: what is not known now may be known soon. */
bool reload_pending(const struct worker *worker);
/* Once per loop turn: begins what is wanted. */
void reload_turn(struct worker *worker);
/* For pool.h. */
void reload_done(void *worker, size_t handlers);
void reload_refused(void *worker, const char *why);
void reload_free(struct worker *worker);

#endif
