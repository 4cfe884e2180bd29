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
    struct buffer in, out;
    struct buffer replies; // whole frames
    size_t read;           // bytes of `replies`
    size_t seen;           // bytes of `in`, whole frames all, that were looked at
    uint32_t request;      // number of the last request
    unsigned asked;        // requests that link_await() waits for: the last ones
    unsigned waiting;      // of them, those without a reply
    bool stopping;         // STOP came
    bool rung;             // RING came, and is not answered
    unsigned unreported;   // jobs that ended on the board since the last BELL
};

/* Writes what `out` holds, and a BELL behind it when there is an end to report. */
void link_send(struct link *link);
/* Reads once. Blocks when nothing is there. */
void link_fill(struct link *link);
/* The first frame of `in`: false when it is not whole yet. link_drop() removes it; until then it stays in place. */
bool link_first(struct link *link, struct wire_frame *frame);
void link_drop(struct link *link, const struct wire_frame *frame);
/*
 * Questions: link_request(), the fields behind request number and sequence, wire_end(), as often as wanted. Then
 * link_await() sends and waits for the replies to the last `count` of them, and link_reply() gives one after the other
 * in the order in which they came: the number of its request, and a frame that stands at `ok`, good until the next
 * link_await(). False: no more.
 */
struct wire_writer link_request(struct link *link, enum wire_type type, uint64_t sequence);
void link_await(struct link *link, unsigned count);
bool link_reply(struct link *link, uint32_t *request, struct wire_frame *reply);
/* One question: ends its frame and waits; `answer` stands behind `ok`. False: not ok. */
bool link_ask(struct link *link, struct wire_writer *writer, struct wire_frame *answer);
/* A line on stderr, and the end of the process: the runtime replaces it. */
_Noreturn void link_fail(const char *what);

#endif
