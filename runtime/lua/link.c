#include "lua/link.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, DONE = 0 }; // DONE: type of a frame that was used up where it stands

void link_fail(const char *what)
{
    fprintf(stderr, "lunastalk-executor: %s\n", what);
    _exit(EX_SOFTWARE);
}

/* A runtime that died with unread bytes shows as a reset: then we go like at the end of the stream, all of us. */
static void fail_system(const char *what)
{
    char text[256];
    if (errno == ECONNRESET || errno == EPIPE)
        kill(0, SIGKILL);
    snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    link_fail(text);
}

void link_send(struct link *link)
{
    if (link->unreported) {
        struct wire_writer bell = wire_begin(&link->out, WIRE_BELL);
        wire_end(&bell);
        link->unreported = 0;
    }
    while (buffer_size(&link->out)) {
        ssize_t written = send(link->fd, buffer_data(&link->out), buffer_size(&link->out), MSG_NOSIGNAL);
        if (written >= 0)
            buffer_consume(&link->out, (size_t)written);
        else if (errno != EINTR)
            fail_system("cannot write to the runtime");
    }
}

static void take_reply(struct link *link, struct wire_frame *frame)
{
    if (!link->waiting || link->request - wire_get_u32(frame) >= link->asked)
        link_fail("a reply that nobody waits for");
    link->waiting--;
    buffer_append(&link->replies, frame->payload - WIRE_HEADER, frame->whole);
}

static void look_at(struct link *link, struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_CONFIG:
    case WIRE_JOB: return;
    case WIRE_STOP: link->stopping = true; break;
    case WIRE_RING: link->rung = true; break;
    case WIRE_REPLY: take_reply(link, frame); break;
    default: link_fail("a frame of unknown type");
    }
    buffer_data(&link->in)[link->seen + WIRE_HEADER - 1] = DONE;
}

void link_fill(struct link *link)
{
    char *room = buffer_reserve(&link->in, READ_SIZE);
    ssize_t size = read(link->fd, room, link->in.capacity - link->in.end);
    if (size == 0)
        kill(0, SIGKILL); // the runtime is gone: so are we, and whatever the handlers started
    if (size < 0 && errno != EINTR)
        fail_system("cannot read from the runtime");
    buffer_commit(&link->in, size > 0 ? (size_t)size : 0);

    struct wire_frame frame;
    int found;
    while ((found = wire_next(&frame, buffer_data(&link->in) + link->seen, buffer_size(&link->in) - link->seen)) > 0) {
        look_at(link, &frame);
        link->seen += frame.whole;
    }
    if (found < 0)
        link_fail("a frame that is too large");
}

bool link_first(struct link *link, struct wire_frame *frame)
{
    while (link->seen) {
        wire_next(frame, buffer_data(&link->in), link->seen);
        if (frame->type != DONE)
            return true;
        link_drop(link, frame);
    }
    return false;
}

void link_drop(struct link *link, const struct wire_frame *frame)
{
    buffer_consume(&link->in, frame->whole);
    link->seen -= frame->whole;
}

struct wire_writer link_request(struct link *link, enum wire_type type, uint64_t sequence)
{
    struct wire_writer writer = wire_begin(&link->out, type);
    wire_put_u32(&writer, ++link->request);
    wire_put_u64(&writer, sequence);
    return writer;
}

void link_await(struct link *link, unsigned count)
{
    buffer_consume(&link->replies, buffer_size(&link->replies));
    link->waiting = link->asked = count;
    link_send(link);
    while (link->waiting)
        link_fill(link);
    link->read = 0;
}

bool link_reply(struct link *link, uint32_t *request, struct wire_frame *reply)
{
    const char *unread = buffer_data(&link->replies) + link->read;
    if (wire_next(reply, unread, buffer_size(&link->replies) - link->read) <= 0)
        return false;
    link->read += reply->whole;
    *request = wire_get_u32(reply);
    return true;
}

bool link_ask(struct link *link, struct wire_writer *writer, struct wire_frame *answer)
{
    uint32_t request;
    wire_end(writer);
    link_await(link, 1);
    link_reply(link, &request, answer);
    return wire_get_u8(answer) != 0;
}
