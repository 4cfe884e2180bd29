#include "worker/version.h"

#include "base/utf8.h"
#include "log/log.h"
#include "worker/wiring.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPREAD_MS = 5000, // not all workers of a pool leave at once
    LATE_MS = 2000,   // handlers load in well under that, and Redis answers or is away
};

static void on_leave(uv_timer_t *timer)
{
    worker_stop(timer->data, "the version key has changed");
}

void version_open(struct version *version, struct worker *worker)
{
    uv_timer_init(&worker->loop, &version->leave);
    version->leave.data = worker;
    version->opened_ms = uv_now(&worker->loop);
}

static bool readable(const char *bytes, size_t size)
{
    if (!size || size > VERSION_LONGEST)
        return false;
    for (size_t length; size; bytes += length, size -= length) {
        length = utf8_length(bytes, size);
        if (!length || (unsigned char)*bytes < ' ' || *bytes == 0x7f)
            return false;
    }
    return true;
}

static bool reloads(const struct worker *worker)
{
    return strcmp(worker->config->reload.on_change, "reload") == 0;
}

static void change(struct version *version, struct worker *worker)
{
    if (reloads(worker)) {
        worker_reload(worker, "the version key has changed");
        return;
    }
    unsigned delay_ms = (unsigned)(uv_hrtime() / 1000 % SPREAD_MS);
    LOG(LEVEL_NOTICE, "the version key is {version}: this worker stops in {delay} s", F_TEXT("version", version->seen),
        F_SECONDS("delay", delay_ms * UINT64_C(1000000)));
    uv_timer_start(&version->leave, on_leave, delay_ms, 0);
}

void version_read(struct version *version, struct worker *worker, const char *bytes, size_t size)
{
    bool first = !version->known, late = uv_now(&worker->loop) > version->opened_ms + LATE_MS;
    bool base = first && !(late && reloads(worker)); // of what was loaded
    if (bytes && !readable(bytes, size)) {
        if (!version->told)
            LOG(LEVEL_WARNING,
                "the version key {key} holds no version: 1 to 200 bytes of text, without control characters",
                F_TEXT("key", worker->config->reload.key), F_NUMBER("bytes", size));
        version->told = true;
        return;
    }
    version->known = true;
    version->told = false;
    if (!bytes || (strlen(version->seen) == size && memcmp(version->seen, bytes, size) == 0))
        return;
    memcpy(version->seen, bytes, size);
    version->seen[size] = '\0';
    if (base) {
        version_loading(version);
        version_loaded(version);
    } else if (worker->state == WORKER_RUNNING) {
        change(version, worker);
    }
}

void version_loading(struct version *version)
{
    memcpy(version->loading, version->seen, sizeof version->loading);
}

void version_loaded(struct version *version)
{
    memcpy(version->running, version->loading, sizeof version->running);
    job_version_release(version->of_jobs);
    version->of_jobs = *version->running ? job_version_new(version->running) : NULL;
}

void version_refused(struct version *version, bool loading)
{
    memcpy(version->refused, loading ? version->loading : version->seen, sizeof version->refused);
}

void version_free(struct version *version)
{
    job_version_release(version->of_jobs);
}

void version_close(struct version *version)
{
    uv_close((uv_handle_t *)&version->leave, NULL);
}
