#include "command/fleet.h"

#include "base/memory.h"
#include "command/text.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH = 64, BEATS_MISSED = 3, CRASHED_AFTER_S = 60, AHEAD_MOST_S = 3600, HOST_LONGEST = 256 };

const char *const fleet_state_names[FLEET_STATES] = {
    "idle", "busy", "stopping", "stopped", "stale", "crashed", "unreadable"};

const char *fleet_text(const struct fleet_worker *worker, const char *key)
{
    const char *text = json_as_text(json_member(worker->beat, key), NULL);
    return text ? text : "";
}

/* Whether its process is known to be gone: only on its own host one can tell. */
static bool is_gone(const struct fleet_worker *worker)
{
    char host[HOST_LONGEST] = "";
    int64_t pid = json_as_integer(json_member(worker->beat, "pid"), 0);
    gethostname(host, sizeof host - 1);
    if (pid < 1 || pid > INT_MAX || strcmp(host, fleet_text(worker, "host")) != 0)
        return false;
    return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static enum fleet_state judge(const struct fleet_worker *worker, double every_s)
{
    const char *status = fleet_text(worker, "status");
    if (strcmp(status, "stopped") == 0)
        return FLEET_STOPPED;
    // The timestamp is cut to whole seconds: up to one of the age is not real.
    if (worker->age_s >= BEATS_MISSED * every_s + 1)
        return worker->age_s >= CRASHED_AFTER_S || is_gone(worker) ? FLEET_CRASHED : FLEET_STALE;
    if (strcmp(status, "stopping") == 0)
        return FLEET_STOPPING;
    return strcmp(status, "idle") == 0 ? FLEET_IDLE : FLEET_BUSY;
}

static void unreadable(struct fleet_worker *worker)
{
    json_free(worker->beat);
    worker->beat = NULL;
    worker->state = FLEET_UNREADABLE;
}

static void read_worker(struct fleet_worker *worker, const struct hash *hash, size_t index, const struct config *config)
{
    size_t size;
    const char *value = hash_value(hash, index, &size);
    worker->id = hash_name(hash, index, &worker->id_size);
    worker->beat = json_parse(value, size, DEPTH, &worker->problem);
    double timestamp = json_as_number(json_member(worker->beat, "timestamp"), -1);
    double every_s = json_as_number(json_member(worker->beat, "every"), config->heartbeat.every_ms / 1000.0);
    double age_s = text_now() - timestamp;
    bool ahead = age_s < -AHEAD_MOST_S; // by this it would live for ever
    if (worker->beat && (timestamp < 0 || ahead))
        error_set(&worker->problem, ahead ? "its timestamp is in the future" : "it has no timestamp");
    if (timestamp < 0 || ahead) {
        unreadable(worker);
        return;
    }
    worker->age_s = age_s > 0 ? age_s : 0;
    worker->state = judge(worker, every_s > 0 ? every_s : 1);
}

static int by_id(const void *a, const void *b)
{
    const struct fleet_worker *left = a, *right = b;
    return strcmp(left->id, right->id);
}

int fleet_load(struct fleet *fleet, struct redis_client *redis, const struct config *config, struct error *error)
{
    *fleet = (struct fleet){0};
    if (hash_read(redis, config->heartbeat.key, &fleet->hash, error) < 0)
        return -1;
    fleet->count = fleet->hash.count;
    fleet->workers = mem_new((fleet->count + 1) * sizeof *fleet->workers);
    for (size_t i = 0; i < fleet->count; i++)
        read_worker(&fleet->workers[i], &fleet->hash, i, config);
    qsort(fleet->workers, fleet->count, sizeof *fleet->workers, by_id);
    return 0;
}

void fleet_free(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        json_free(fleet->workers[i].beat);
    free(fleet->workers);
    hash_free(&fleet->hash);
    *fleet = (struct fleet){0};
}

bool fleet_alive(const struct fleet_worker *worker)
{
    return worker->state == FLEET_IDLE || worker->state == FLEET_BUSY;
}

const struct json *fleet_longest(const struct fleet_worker *worker, size_t *running)
{
    const struct json *longest = NULL, *executors = json_member(worker->beat, "executors");
    double since = 0;
    *running = 0;
    for (size_t i = 0; i < json_length(executors); i++) {
        const struct json *executor = json_item(executors, i);
        if (!json_as_text(json_member(executor, "job"), NULL))
            continue;
        double began = json_as_number(json_member(executor, "since"), text_now());
        if (!(*running)++ || began < since) {
            longest = executor;
            since = began;
        }
    }
    return longest;
}
