#ifndef LUNASTALK_QUEUE_BEANSTALKD_CONNECTION_H
#define LUNASTALK_QUEUE_BEANSTALKD_CONNECTION_H
/*
 * One connection to beanstalkd, from connect to close: pipelined requests, each completed exactly once, with a deadline
 * for every reply. A connection is one epoch: it is never reopened, so nothing of it can reach a later one.
 *
 *   (new) ──resolve, connect──▶ open ──connection_close(), or the peer──▶ closed(), then the memory goes
 *
 * Commands are appended to connection_out() and leave with connection_flush(), so that all of one loop turn is one
 * write. Callbacks never run inside a call of this interface, but for those of connection_close().
 */
#include "queue/beanstalkd_protocol.h"

#include <uv.h>

struct connection;

/* `reply` NULL: the connection ended before the reply came; whether the command was executed is not known. */
typedef void connection_reply(void *context, void *argument, const struct beanstalkd_reply *reply);

struct connection_events {
    void *context; // first argument of all callbacks, those of replies too
    void (*open)(void *context);
    /* The last call; all requests were completed before. `why` is for people ("connection refused"). */
    void (*closed)(void *context, const char *why);
};

/* `server` is "host:port", "[v6]:port" or "unix:/path" (connection_address_valid) and is copied. */
struct connection *connection_new(uv_loop_t *loop, const char *server, const struct connection_events *events);
bool connection_address_valid(const char *server);

/* Where the next command goes: append one command, then name it with connection_expect(). */
struct buffer *connection_out(struct connection *connection);
/* The appended command will be answered by `callback(context, argument, reply)` within `limit_ms` of now. */
void connection_expect(struct connection *connection, unsigned limit_ms, connection_reply *callback, void *argument);
/* Whether it was not closed: while it closes, its requests are completed with it no longer standing. */
bool connection_stands(const struct connection *connection);
/* Requests without a reply so far. */
size_t connection_pending(const struct connection *connection);
void connection_flush(struct connection *connection);
/* Ends it: completes every request with NULL, then calls closed(), before it returns. The pointer is dead then. */
void connection_close(struct connection *connection, const char *why);

#endif
