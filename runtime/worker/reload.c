#include "worker/reload.h"

#include "base/clock.h"
#include "base/memory.h"
#include "log/log.h"
#include "worker/status.h"
#include "worker/wiring.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_MOST = 4096 };

void worker_reload(struct worker *worker, const char *why)
{
    if (worker->state != WORKER_RUNNING)
        return;
    if (!worker->reload.wanted && pool_leaving(worker->pool) && !pool_can_reload(worker->pool))
        LOG(LEVEL_NOTICE, "the reload waits: two former sets of executors still finish jobs", F_TEXT("why", why));
    free(worker->reload.wanted);
    worker->reload.wanted = mem_copy(why, strlen(why));
}

bool reload_pending(const struct worker *worker)
{
    return worker->reload.wanted || pool_reloading(worker->pool);
}

static void keep_error(struct reload *reload, const char *why)
{
    free(reload->error);
    reload->error = why ? mem_copy(why, strnlen(why, ERROR_MOST)) : NULL;
}

static void refuse(struct worker *worker, const char *why, bool loading)
{
    LOG(LEVEL_CRITICAL, "reload refused: {error}; the old handlers stay", F_TEXT("error", why),
        F_TEXT("why", worker->reload.why));
    if (loading && worker->reload.overtaken)
        return;
    keep_error(&worker->reload, why);
    status_refused(worker->status, loading);
}

void reload_refused(void *context, const char *why)
{
    refuse(context, why, true);
}

/* `errors` holds lines, the record has one. */
static void refuse_config(struct worker *worker, struct buffer *errors)
{
    char *data = buffer_data(errors);
    size_t size = buffer_size(errors);
    while (size && data[size - 1] == '\n')
        size--;
    char *text = mem_copy(data, size);
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
    worker->reload.overtaken = pool_reloading(worker->pool);
    refuse(worker, text, false);
    free(text);
}

static void begin(struct worker *worker)
{
    struct reload *reload = &worker->reload;
    struct buffer errors = {0};
    struct config *config = config_again(worker->initial, &errors);
    free(reload->why);
    reload->why = reload->wanted;
    reload->wanted = NULL;
    if (config) {
        struct executor_options options;
        worker_executor_options(worker, config, &options);
        config_free(reload->coming);
        reload->coming = config;
        reload->began_ns = clock_ns();
        reload->overtaken = false;
        status_loading(worker->status);
        pool_reload(worker->pool, &options);
    } else {
        refuse_config(worker, &errors);
    }
    buffer_free(&errors);
}

void reload_turn(struct worker *worker)
{
    if (worker->reload.wanted && worker->state == WORKER_RUNNING && pool_can_reload(worker->pool))
        begin(worker);
}

static void take_over(struct worker *worker, struct config *config)
{
    worker->merged.jobs = config->jobs;
    worker->merged.settings = config->settings;
    worker->merged.log = config->log;
    worker->merged.log_count = config->log_count;
    log_open(&worker->loop, config);
    config_free(worker->reload.loaded);
    worker->reload.loaded = config;
    worker->reload.coming = NULL;
}

static void report_changes(const struct worker *worker, const struct config *config)
{
    struct buffer paths = {0};
    config_changes(worker->initial, config, &paths);
    if (buffer_size(&paths))
        LOG(LEVEL_NOTICE, "what was changed of {options} needs a restart", F_TEXT("options", buffer_text(&paths)));
    buffer_free(&paths);
}

void reload_done(void *context, size_t handlers)
{
    struct worker *worker = context;
    take_over(worker, worker->reload.coming);
    if (!worker->reload.overtaken)
        keep_error(&worker->reload, NULL);
    LOG(LEVEL_INFO, "reloaded: {handlers} handlers from {path} in {took} s", F_NUMBER("handlers", handlers),
        F_TEXT("path", worker->config->jobs.path), F_SECONDS("took", clock_ns() - worker->reload.began_ns),
        F_NUMBER("finishing", pool_leaving(worker->pool)), F_TEXT("why", worker->reload.why));
    report_changes(worker, worker->reload.loaded);
    jobs_check_held(worker);
    status_loaded(worker->status);
}

void reload_free(struct worker *worker)
{
    free(worker->reload.wanted);
    free(worker->reload.why);
    free(worker->reload.error);
    config_free(worker->reload.coming);
    config_free(worker->reload.loaded);
}
