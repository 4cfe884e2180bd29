#ifndef LUNASTALK_LUA_LINK_H
#define LUNASTALK_LUA_LINK_H
/*
 * The executor's end of the wire (executor/wire.h): one blocking socket. Frames that come in wait in `in` in their
 * order; each is looked at once, as soon as it is whole, so that a STOP counts at once and a REPLY finds its request
 * while jobs wait before it. Nothing here returns an error: without the runtime this process has no reason to live.
 */
#include "base/buffer.h"
#include "executor/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct link {
    int fd;
    struct buffer in, out, reply;
    size_t seen;         // bytes of `in`, whole frames all, that were looked at
    uint32_t request;    // number of the last request
    bool waiting;        // for the reply to it
    bool stopping;       // STOP came
    unsigned unreported; // jobs that ended on the board since the last BELL
};

/* Writes what `out` holds, and a BELL behind it when there is an end to report. */
void link_send(struct link *link);
/* Reads once. Blocks when nothing is there. */
void link_fill(struct link *link);
/* The first frame of `in`: false when it is not whole yet. link_drop() removes it; until then it stays in place. */
bool link_first(struct link *link, struct wire_frame *frame);
void link_drop(struct link *link, const struct wire_frame *frame);
/*
 * A question: link_request(), the fields behind request number and sequence, then link_ask() ends the frame, sends and
 * waits. `answer` then stands behind `ok` of the REPLY and is good until the next request. False: not ok.
 */
struct wire_writer link_request(struct link *link, enum wire_type type, uint64_t sequence);
bool link_ask(struct link *link, struct wire_writer *writer, struct wire_frame *answer);
/* A line on stderr, and the end of the process: the runtime replaces it. */
_Noreturn void link_fail(const char *what);

#endif
