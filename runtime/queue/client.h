#ifndef LUNASTALK_QUEUE_CLIENT_H
#define LUNASTALK_QUEUE_CLIENT_H
/*
 * What the commands (put, stats, peek …) need of the queue: calls that wait for their answer, on a loop of their own.
 * Called by command/ only; the worker uses queue.h. Every call that can fail returns 0, or -1 with `error` filled:
 * which server, what was asked, what it said. An answer has 5 s to come; after a lost connection every further call
 * fails at once. Where there is a `found`, false says that the server does not know the tube, or has no such job.
 */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct client;

/* Connects and checks that beanstalkd answers. NULL and the reason in `error`. */
struct client *client_open(const char *server, struct error *error);
void client_close(struct client *client);
bool client_lost(const struct client *client);

/* Whether `tube` is a tube's name; all tubes given below must be. */
int client_check_tube(const char *tube, struct error *error);

struct client_put {
    const char *tube;
    uint32_t priority, delay_s, ttr_s;
    const char *body;
    size_t size;
};

/* Puts one job and waits for its id. */
int client_put(struct client *client, const struct client_put *put, uint64_t *id, struct error *error);

/*
 * Pipelined puts. client_put_later() takes the job (its bytes are copied) or returns -1, when the connection is lost;
 * it waits while more than 1,000 are unanswered, or 4 MB. client_finish() waits for all of them, with 30 s for each: it
 * may stand behind a thousand others that the server writes to its disk. done(context, line, result, id, why) comes
 * once for each job taken, from within these calls; `why` is set when it was refused.
 */
enum client_put_result {
    CLIENT_PUT_ACCEPTED,
    CLIENT_PUT_REFUSED,
    CLIENT_PUT_UNKNOWN, // the connection was lost before the answer
};
typedef void client_put_done(void *context, uint64_t line, enum client_put_result result, uint64_t id, const char *why);
int client_put_later(struct client *client, const struct client_put *put, uint64_t line, client_put_done *done,
    void *context, struct error *error);
int client_finish(struct client *client, struct error *error);

/*
 * Append the server's statistics as one JSON object, its keys with '_' for '-', numbers as numbers but for ids, which
 * are strings; this connection itself is not counted. client_tubes() appends a list of names.
 */
int client_stats(struct client *client, struct buffer *out, struct error *error);
int client_stats_tube(struct client *client, const char *tube, struct buffer *out, bool *found, struct error *error);
int client_stats_job(struct client *client, uint64_t id, struct buffer *out, bool *found, struct error *error);
int client_tubes(struct client *client, struct buffer *out, struct error *error);

/* Appends the body of the tube's next job in `state`: "ready", "delayed" or "buried". Makes the tube if there is none.
 */
int client_peek(struct client *client, const char *tube, const char *state, uint64_t *id, struct buffer *body,
    bool *found, struct error *error);
int client_peek_job(struct client *client, uint64_t id, struct buffer *body, bool *found, struct error *error);
/* At most `most` buried jobs; if there is none, delayed ones. Makes the tube if there is none. */
int client_kick(struct client *client, const char *tube, uint32_t most, uint64_t *kicked, struct error *error);
int client_kick_job(struct client *client, uint64_t id, bool *found, struct error *error);
int client_delete(struct client *client, uint64_t id, bool *found, struct error *error);

#endif
