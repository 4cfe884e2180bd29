#ifndef LUNASTALK_QUEUE_CLIENT_H
#define LUNASTALK_QUEUE_CLIENT_H
/*
 * What the commands (put, stats, peek …) need of the queue: calls that wait for their answer, on a loop of their own.
 * Called by command/ only; the worker uses queue.h. Every call returns 0, or -1 with `error` filled: what was asked,
 * which server, what it said. After a lost connection every further call fails at once.
 */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct client;

/* Connects and checks that beanstalkd answers (5 s at most). NULL and the reason in `error`. */
struct client *client_open(const char *server, struct error *error);
void client_close(struct client *client);

struct client_put {
    const char *tube;
    uint32_t priority, delay_s, ttr_s;
    const char *body;
    size_t size;
};

/* Puts one job and waits for its id. */
int client_put(struct client *client, const struct client_put *put, uint64_t *id, struct error *error);

/*
 * Pipelined puts: `done(context, line, id, why)` comes once for each, from within these calls: why is NULL when the job
 * was accepted. client_put_later() waits while more than 1,000 puts or 4 MB are unanswered; client_finish() for all.
 */
typedef void client_put_done(void *context, uint64_t line, uint64_t id, const char *why);
int client_put_later(struct client *client, const struct client_put *put, uint64_t line, client_put_done *done,
    void *context, struct error *error);
int client_finish(struct client *client, struct error *error);

/* The YAML of a stats or list reply, appended to `out`. `found` (may be NULL when it must exist) false: NOT_FOUND. */
int client_stats(struct client *client, struct buffer *out, struct error *error);
int client_stats_tube(struct client *client, const char *tube, struct buffer *out, bool *found, struct error *error);
int client_stats_job(struct client *client, uint64_t id, struct buffer *out, bool *found, struct error *error);
int client_tubes(struct client *client, struct buffer *out, struct error *error);

/* `state` is "ready", "delayed" or "buried": the next job of the tube in that state. */
int client_peek(struct client *client, const char *tube, const char *state, uint64_t *id, struct buffer *body,
    bool *found, struct error *error);
int client_peek_job(struct client *client, uint64_t id, struct buffer *body, bool *found, struct error *error);
int client_kick(struct client *client, const char *tube, uint32_t most, uint64_t *kicked, struct error *error);
int client_kick_job(struct client *client, uint64_t id, bool *found, struct error *error);
int client_delete(struct client *client, uint64_t id, bool *found, struct error *error);

#endif
