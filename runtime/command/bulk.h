#ifndef LUNASTALK_COMMAND_BULK_H
#define LUNASTALK_COMMAND_BULK_H
/* `put --from`: every line of a file a whole envelope, put as it stands, pipelined and counted. */
#include "command/session.h"

struct bulk {
    uint64_t accepted;
    uint64_t refused; // by us or by the server
    uint64_t unknown; // the connection was lost before the answer
};

/*
 * Connects and puts the lines of `path` ("-": stdin) with `put`'s tube, priority, delay and TTR. Says on stderr which
 * lines were not accepted and why. Returns the exit code: done, failed (some were not), unreachable.
 */
int bulk_put(struct session *session, const char *path, const struct client_put *put, struct bulk *bulk);

#endif
