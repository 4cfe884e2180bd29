#ifndef LUNASTALK_COMMAND_LOOKUP_H
#define LUNASTALK_COMMAND_LOOKUP_H
/* The server's statistics (queue/client.h) read for a command. What is returned is freed with json_free(). */
#include "base/json.h"
#include "queue/client.h"

/* 0 and the statistics, NULL when there is no such tube or job; or -1 and `error`. */
int lookup_tube(struct client *client, const char *tube, struct json **stats, struct error *error);
int lookup_job(struct client *client, uint64_t id, struct json **stats, struct error *error);

/* A member of statistics: 0 or "?" when the server does not tell. */
uint64_t lookup_number(const struct json *stats, const char *key);
const char *lookup_text(const struct json *stats, const char *key);
/* The handler that a body names, or NULL. `document` is the parsed body. */
const char *lookup_name(const struct json *document);

#endif
