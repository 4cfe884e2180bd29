#ifndef LUNASTALK_COMMAND_FLEET_H
#define LUNASTALK_COMMAND_FLEET_H
/* The workers as their heartbeats in Redis show them, those of other programs that keep the talk's fields included. */
#include "base/json.h"
#include "redis/hash.h"

enum fleet_state {
    FLEET_IDLE,
    FLEET_BUSY,
    FLEET_STOPPING,
    FLEET_STOPPED,
    FLEET_STALE,   // three beats are missed
    FLEET_CRASHED, // stale, and its process on this host is gone, or no beat for a minute
    FLEET_UNREADABLE,
    FLEET_STATES
};

extern const char *const fleet_state_names[FLEET_STATES];

struct fleet_worker {
    const char *id; // bytes of others
    size_t id_size;
    enum fleet_state state;
    double age_s;      // of the last beat
    struct json *beat; // NULL: unreadable
    struct error problem;
};

struct fleet {
    struct hash hash;
    struct fleet_worker *workers; // by id
    size_t count;
};

/* Reads all of them; a field that is no heartbeat is FLEET_UNREADABLE. 0, or -1 and `error` (redis/client.h). */
int fleet_load(struct fleet *fleet, struct redis_client *redis, const struct config *config, struct error *error);
void fleet_free(struct fleet *fleet);
/* Whether it beats and goes on working. */
bool fleet_alive(const struct fleet_worker *worker);
/* A text of the heartbeat, "" when it has none. */
const char *fleet_text(const struct fleet_worker *worker, const char *key);
/* The executor that runs its job longest, or NULL; `running` counts those that run one. */
const struct json *fleet_longest(const struct fleet_worker *worker, size_t *running);

#endif
