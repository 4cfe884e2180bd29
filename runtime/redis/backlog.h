#ifndef LUNASTALK_REDIS_BACKLOG_H
#define LUNASTALK_REDIS_BACKLOG_H
/*
 * Commands that shall be carried out in the end: what failed, what became of jobs, keys given back. Kept while Redis is away or refuses to
 * write, up to 8 MB, and sent in their order; sent again when they were refused for now, or when the connection went before
 * the answer. When it is full the oldest is dropped. What was dropped, and what is left at the end, is counted and said.
 */
#include "redis/connection.h"

struct backlog;

struct backlog *backlog_new(uv_loop_t *loop, struct redis *redis);
/*
 * Takes a copy. It leaves with the next backlog_flush(). `subject` is the index of the word that names what it is about (a
 * key): once a later one about the same stands behind it, it is not sent again. 0: it is needed in any case.
 */
void backlog_add(struct backlog *backlog, const char *purpose, const struct redis_command *command, int subject);
/* Sends what may leave: at the end of a turn. After a refusal or a loss nothing for a second, or until backlog_retry(). */
void backlog_flush(struct backlog *backlog);
void backlog_retry(struct backlog *backlog);
/* A last try; before redis_close(). */
void backlog_close(struct backlog *backlog);
/* After the loop has run out. */
void backlog_free(struct backlog *backlog);

#endif
