#include "base/clock.h"
#include "base/memory.h"
#include "command/command.h"
#include "command/fleet.h"
#include "command/session.h"
#include "command/text.h"
#include "config/units.h"
#include "redis/key.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { LOOK_EVERY_MS = 100, VERSION_SIZE = 40, BEATS = 3 };

struct reload {
    const char *wait, *timeout;
    char version[VERSION_SIZE]; // the new one
};

struct progress {
    size_t current, refused, waiting;
};

static void make_version(char version[VERSION_SIZE])
{
    uint32_t noise = 0;
    if (getrandom(&noise, sizeof noise, 0) != sizeof noise)
        noise = (uint32_t)clock_ns();
    snprintf(version, VERSION_SIZE, "%.0f-%08x", text_now() * 1000, noise);
}

/* It lives, and is one that follows a version: other programs that keep the talk's fields do not. */
static bool takes_part(const struct fleet_worker *worker)
{
    return fleet_alive(worker) && json_member(worker->beat, "version");
}

static bool shows(const struct fleet_worker *worker, const char *field, const struct reload *reload)
{
    return strcmp(fleet_text(worker, field), reload->version) == 0;
}

static struct progress judge(const struct reload *reload, const struct fleet *fleet)
{
    struct progress progress = {0};
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        if (!takes_part(worker))
            continue;
        if (shows(worker, "version", reload))
            progress.current++;
        else if (shows(worker, "refused", reload))
            progress.refused++;
        else
            progress.waiting++;
    }
    return progress;
}

/* A line for each worker that lives and does not run the new version. */
static void complain(const struct session *session, const struct reload *reload, const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        if (!takes_part(worker) || shows(worker, "version", reload))
            continue;
        if (shows(worker, "refused", reload))
            session_failed(
                session, "%s refused and goes on with what it had: %s", worker->id, fleet_text(worker, "reload_error"));
        else
            session_failed(session, "%s still runs version '%.100s'", worker->id, fleet_text(worker, "version"));
    }
}

static int finish(const struct session *session, const struct reload *reload, const struct fleet *fleet)
{
    struct progress progress = judge(reload, fleet);
    size_t all = progress.current + progress.refused + progress.waiting;
    if (!all)
        puts("no worker is alive: there is nobody to follow");
    else
        printf("%zu of %zu live workers run it\n", progress.current, all);
    complain(session, reload, fleet);
    return progress.current == all ? EXIT_DONE : EXIT_FAILED;
}

/* Follows the heartbeats until every live worker runs the new version or refused it, or the time is over. */
static int follow(struct session *session, struct reload *reload, uint64_t timeout_ms)
{
    struct error error;
    struct fleet fleet;
    uint64_t began_ns = clock_ns(), end_ns = began_ns + timeout_ms * 1000000;
    // Nobody may be there only for now: Redis was flushed, or they end to be started anew.
    uint64_t least_ns = began_ns + (BEATS * session->config->heartbeat.every_ms + 1000) * UINT64_C(1000000);
    for (;;) {
        if (fleet_load(&fleet, session->redis, session->config, &error) < 0)
            return session_failed(session, "%s", error.text);
        struct progress progress = judge(reload, &fleet);
        bool nobody = !progress.current && !progress.refused && clock_ns() < least_ns;
        if ((!progress.waiting && !nobody) || clock_ns() >= end_ns)
            break;
        fleet_free(&fleet);
        poll(NULL, 0, LOOK_EVERY_MS);
    }
    int exit_code = finish(session, reload, &fleet);
    fleet_free(&fleet);
    return exit_code;
}

static int bump(struct session *session, struct reload *reload, uint64_t timeout_ms)
{
    struct error error;
    const struct config *config = session->config;
    make_version(reload->version);
    if (key_set(session->redis, config->reload.key, reload->version, 0, &error) < 0)
        return session_failed(session, "%s", error.text);
    printf("%s%s is %s\n", config->redis.prefix, config->reload.key, reload->version);
    fflush(stdout);
    return reload->wait ? follow(session, reload, timeout_ms) : EXIT_DONE;
}

static int reload_workers(struct session *session, struct reload *reload)
{
    uint64_t timeout_ms = 30000;
    int exit_code;
    if (reload->timeout && !reload->wait)
        return session_misused(session, "--timeout is for --wait");
    if (reload->timeout && (!units_duration(reload->timeout, &timeout_ms) || timeout_ms > 86400000))
        return session_misused(session, "--timeout: '%s' is no duration up to 1d: 30s, 5m", reload->timeout);
    if (!session_connect_redis(session, &exit_code))
        return exit_code;
    return bump(session, reload, timeout_ms);
}

int command_reload(int argc, char **argv)
{
    struct reload reload = {0};
    const struct option_spec specs[] = {
        {.name = "wait", .help = "until all live workers run it; says which refused, and why", .value = &reload.wait},
        {"timeout", "DURATION", "how long to wait (30s)", .value = &reload.timeout},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "reload",
        .usage = "",
        .summary =
            "Changes the version key in Redis: all workers load their handlers anew (or end, see reload.on_change)",
        .details = "examples:\n  lunastalk reload --wait\n  lunastalk reload --wait --timeout 2m\n"
                   "Any other program may set the key to a new value as well.\n",
        .specs = specs,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, reload_workers(&session, &reload));
}
