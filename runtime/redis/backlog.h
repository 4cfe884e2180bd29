#ifndef LUNASTALK_REDIS_BACKLOG_H
#define LUNASTALK_REDIS_BACKLOG_H
/*
 * Commands that shall be carried out in the end: what failed, what became of jobs. Kept while Redis is away or refuses to
 * write, up to a bound, and sent in their order; sent again when a connection went before the answer. When it is full the
 * oldest is dropped, and the number of those is said.
 */
#include "redis/connection.h"

struct backlog;

struct backlog *backlog_new(struct redis *redis);
/* Takes a copy. It leaves with the next backlog_flush(). */
void backlog_add(struct backlog *backlog, const char *purpose, const struct redis_command *command);
/* Sends what may leave: at the end of a turn, and when Redis may be well again. */
void backlog_flush(struct backlog *backlog);
/* Whether something waits to be sent or answered. */
bool backlog_empty(const struct backlog *backlog);
/* After the connection has closed. */
void backlog_free(struct backlog *backlog);

#endif
