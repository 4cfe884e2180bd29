#ifndef LUNASTALK_REDIS_HEARTBEAT_H
#define LUNASTALK_REDIS_HEARTBEAT_H
/*
 * The worker's field in the hash of heartbeats: written at each change of status, ten times a second at most, and else
 * every heartbeat.every. With each regular beat the version key is read, and it is looked whether another worker writes
 * into the same field; now and then fields that nobody has written for a week are removed.
 */
#include "base/buffer.h"
#include "redis/connection.h"

struct heartbeat;

struct heartbeat_events {
    void *context;
    /* Appends what the field shall hold now. */
    void (*describe)(void *context, struct buffer *json);
    /* A regular beat, before it is sent; the connection is up. */
    void (*beat)(void *context);
    /* The value of the version key; NULL: there is none. */
    void (*version)(void *context, const char *bytes, size_t size);
};

/* `id` and `instance` live as long as the heartbeat. */
struct heartbeat *heartbeat_new(uv_loop_t *loop, struct redis *redis, const struct config *config, const char *id,
    const char *instance, const struct heartbeat_events *events);
/* The connection is up (again): beats at once. */
void heartbeat_up(struct heartbeat *heartbeat);
/* Something that describe() tells has changed. Cheap. */
void heartbeat_changed(struct heartbeat *heartbeat);
/* The last one, now. None follows. */
void heartbeat_end(struct heartbeat *heartbeat);
/* Once no answer can come any more. */
void heartbeat_free(struct heartbeat *heartbeat);

#endif
