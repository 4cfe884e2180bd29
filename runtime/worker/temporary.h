#ifndef LUNASTALK_WORKER_TEMPORARY_H
#define LUNASTALK_WORKER_TEMPORARY_H
/*
 * The worker's directory for temporary files: {TMPDIR or /tmp}/lunastalk-{uid}/{pid}-{random}, private (0700), locked as
 * long as the worker lives and removed when it ends. What a dead worker has left is removed at the next start.
 */
#include "base/error.h"

struct temporary {
    char path[400]; // "" when there is none
    int lock;       // descriptor of the directory, close-on-exec
};

/* 0, or -1 and why there is no such directory (it belongs to somebody else, the disk is full …). */
int temporary_open(struct temporary *temporary, const char *instance, struct error *error);
void temporary_close(struct temporary *temporary);

#endif
