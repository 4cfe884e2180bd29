#include "worker/wiring.h"

#include "base/memory.h"
#include "config/secret.h"
#include "log/log.h"
#include "worker/deliveries.h"
#include "worker/status.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_RETRY_MS = 100, LAST_MAIL_MS = 2000 };

static const int signal_numbers[WORKER_SIGNALS] = {SIGTERM, SIGINT, SIGQUIT};

static void on_log(uv_timer_t *timer)
{
    (void)timer; // the turn that ends with it writes
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/*
 * Without handlers they would do what they do by default, and end us with another exit code. Blocked until libuv has taken
 * its handlers away, ignored then: by all threads.
 */
static void close_signals(struct worker *worker)
{
    sigset_t signals;
    sigemptyset(&signals);
    for (int i = 0; i < WORKER_SIGNALS; i++)
        sigaddset(&signals, signal_numbers[i]);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    close_handle(&worker->resumed);
    close_handle(&worker->hangup);
    close_handle(&worker->renamed);
    for (int i = 0; i < WORKER_SIGNALS; i++) {
        close_handle(&worker->signals[i]);
        signal(signal_numbers[i], SIG_IGN);
    }
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
}

/* The executors are gone: with the last handle closed the loop ends. */
static void on_stopped(void *context)
{
    struct worker *worker = context;
    if (worker->state != WORKER_CLOSING) {
        worker->state = WORKER_CLOSING;
        queue_close(worker->queue);
        deliveries_close(worker->deliveries);
    }
    LOG(LEVEL_INFO, "stopped", F_TEXT("worker", worker->identity.id), F_NUMBER("jobs", worker->jobs),
        F_NUMBER("errors", worker->errors));
    log_flush();
    sinks_stop(&worker->sinks, LAST_MAIL_MS);
    sinks_connect(&worker->sinks, NULL);
    status_close(worker->status);
    pool_free(worker->pool);
    worker->pool = NULL;                    // Redis may still answer
    uv_unref((uv_handle_t *)&worker->turn); // the log is written to the end
    uv_unref((uv_handle_t *)&worker->log);
    close_handle(&worker->handback);
    close_handle(&worker->deadline);
    close_signals(worker);
}

/* Nothing is left to settle: the connections close, the executors are let go. on_stopped() from within when there is none. */
static void finish(struct worker *worker)
{
    worker->state = WORKER_CLOSING;
    queue_close(worker->queue);
    deliveries_close(worker->deliveries);
    pool_stop(worker->pool);
}

/* Jobs that still run are cut short: their connections close, which puts them back, and their executors end. */
static void cut(struct worker *worker, const char *why)
{
    if (worker->state != WORKER_CLOSING) {
        worker->result = queue_outstanding(worker->queue) ? WORKER_CUT : worker->result;
        LOG(LEVEL_WARNING, "{why}: {jobs} jobs are cut short and go back to the queue", F_TEXT("why", why),
            F_NUMBER("jobs", queue_outstanding(worker->queue)));
        finish(worker);
    }
    if (worker->pool)
        pool_kill(worker->pool, "the worker stops");
}

static void on_grace_over(uv_timer_t *timer)
{
    cut(timer->data, "the grace period is over");
}

void worker_stop(struct worker *worker, const char *why)
{
    if (worker->state != WORKER_RUNNING)
        return;
    LOG(LEVEL_INFO, "stopping: {why}", F_TEXT("why", why), F_TEXT("worker", worker->identity.id),
        F_NUMBER("jobs", worker->jobs), F_NUMBER("errors", worker->errors));
    worker->state = WORKER_STOPPING;
    uv_timer_start(&worker->deadline, on_grace_over, worker->config->worker.shutdown_timeout_ms, 0);
    queue_limit(worker->queue, 0);
    status_changed(worker->status);
    deliveries_stop(worker->deliveries);
    pool_recall(worker->pool);
    jobs_return_held(worker);
}

static void on_run_over(uv_timer_t *timer)
{
    worker_stop(timer->data, "--run is over");
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct worker *worker = handle->data;
    if (worker->state == WORKER_RUNNING)
        worker_stop(worker, strsignal(number));
    else
        cut(worker, "a second signal");
}

/* libuv has read all sockets of a turn before it comes to signals, and held jobs are looked at after that. */
static void on_resumed(uv_signal_t *handle, int number)
{
    struct worker *worker = handle->data;
    (void)number;
    if (worker->state != WORKER_CLOSING)
        queue_doubt(worker->queue);
}

static void on_renamed(uv_signal_t *handle, int number)
{
    (void)handle;
    log_reopen();
    LOG(LEVEL_INFO, "{signal}: the files of the log are opened anew", F_TEXT("signal", strsignal(number)));
}

static void on_hangup(uv_signal_t *handle, int number)
{
    worker_reload(handle->data, strsignal(number));
}

/* The end of a loop turn: everything that the turn has caused leaves in one write per peer. */
static void on_turn(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    reload_turn(worker);
    if (worker->state == WORKER_RUNNING) {
        queue_executors(worker->queue, worker->config->worker.executors + pool_leaving(worker->pool));
        jobs_dispatch(worker);
        if (list_empty(&worker->held) && !worker->dry && pool_idle(worker->pool))
            queue_wait(worker->queue);
    }
    if (worker->state != WORKER_CLOSING) {
        queue_flush(worker->queue);
        deliveries_flush(worker->deliveries);
    }
    if (worker->state == WORKER_STOPPING && !queue_outstanding(worker->queue) && deliveries_idle(worker->deliveries))
        finish(worker);
    if (worker->pool) {
        pool_flush(worker->pool);
        status_turn(worker->status);
    }
    if (log_flush() && !uv_is_active((uv_handle_t *)&worker->log))
        uv_timer_start(&worker->log, on_log, LOG_RETRY_MS, 0);
}

static void on_ready(void *context, size_t handlers)
{
    struct worker *worker = context;
    LOG(LEVEL_INFO, "{handlers} handlers are loaded from {path}", F_NUMBER("handlers", handlers),
        F_TEXT("path", worker->config->jobs.path));
    deliveries_start(worker->deliveries);
}

static void on_refused(void *context, const char *why)
{
    struct worker *worker = context;
    if (worker->result == WORKER_REFUSED)
        return; // each executor says the same
    LOG(LEVEL_EMERGENCY, "the handlers do not load: {why}", F_TEXT("why", why));
    worker->result = WORKER_REFUSED;
    if (worker->state == WORKER_RUNNING)
        finish(worker);
}

/* An upgrade has replaced the binaries under us: no executor can be started any more, the next worker's are of one build. */
static void on_outdated(void *context)
{
    struct worker *worker = context;
    if (worker->state == WORKER_RUNNING)
        LOG(LEVEL_NOTICE,
            "the executor on disk is of another build than this worker, which ends so that it is started anew",
            F_TEXT("executor", worker->options.executor), F_TEXT("version", LUNASTALK_VERSION));
    worker_stop(worker, "an upgrade");
}

static void open_queue(struct worker *worker)
{
    const struct config *config = worker->config;
    struct queue_events events;
    const struct queue_options options = {
        .server = config->beanstalkd.server,
        .tubes = config->worker.tubes,
        .tube_count = config->worker.tube_count,
        .reserve_timeout_s = worker->options.stop_when_empty ? 0 : config->beanstalkd.reserve_timeout_s,
        .executors = config->worker.executors,
    };
    jobs_events(worker, &events);
    worker->queue = queue_new(&worker->loop, &options, &events);
    if (worker->options.max_jobs && worker->options.max_jobs < 1000)
        queue_limit(worker->queue, (unsigned)worker->options.max_jobs);
}

void worker_executor_options(const struct worker *worker, const struct config *config, struct executor_options *options)
{
    *options = (struct executor_options){
        .binary = worker->options.executor,
        .directory = worker->config->directory,
        .jobs_path = config->jobs.path,
        .settings = config->settings,
        .lowest_level = log_lowest_of(config),
        .memory = worker->config->executor.memory,
        .max_jobs = worker->config->executor.max_jobs,
        .max_memory = worker->config->executor.max_memory,
        .temporary = worker->temporary.path,
    };
}

static void open_pool(struct worker *worker)
{
    const struct pool_events events = {worker, on_ready, on_refused, on_stopped, reload_done, reload_refused,
        on_outdated,
        {worker, jobs_ended, jobs_unstarted, requests_put, requests_asked, jobs_touched, requests_progressed,
            requests_once, jobs_timed_out}};
    struct executor_options options;
    worker_executor_options(worker, worker->config, &options);
    worker->pool = pool_new(&worker->loop, worker->config->worker.executors, &options, &events);
}

static void open_handles(struct worker *worker)
{
    uv_prepare_init(&worker->loop, &worker->turn);
    uv_timer_init(&worker->loop, &worker->handback);
    uv_timer_init(&worker->loop, &worker->deadline);
    uv_timer_init(&worker->loop, &worker->log);
    worker->turn.data = worker->handback.data = worker->deadline.data = worker->log.data = worker;
    uv_prepare_start(&worker->turn, on_turn);
    for (int i = 0; i < WORKER_SIGNALS; i++) {
        uv_signal_init(&worker->loop, &worker->signals[i]);
        worker->signals[i].data = worker;
        uv_signal_start(&worker->signals[i], on_signal, signal_numbers[i]);
    }
    uv_signal_init(&worker->loop, &worker->resumed);
    worker->resumed.data = worker;
    uv_signal_start(&worker->resumed, on_resumed, SIGCONT);
    uv_signal_init(&worker->loop, &worker->hangup);
    worker->hangup.data = worker;
    uv_signal_start(&worker->hangup, on_hangup, SIGHUP);
    uv_signal_init(&worker->loop, &worker->renamed);
    worker->renamed.data = worker;
    uv_signal_start(&worker->renamed, on_renamed, SIGUSR1);
    if (worker->options.run_s)
        uv_timer_start(&worker->deadline, on_run_over, worker->options.run_s * 1000, 0);
}

static void say_hello(const struct worker *worker)
{
    LOG(LEVEL_INFO, "lunastalk {version} starts as {worker}", F_TEXT("version", LUNASTALK_VERSION),
        F_TEXT("worker", worker->identity.id), F_TEXT("instance", worker->identity.instance),
        F_NUMBER("pid", (uint64_t)getpid()), F_NUMBER("executors", worker->config->worker.executors),
        F_TEXT("beanstalkd", worker->config->beanstalkd.server));
}

/* Runs the loop as long as there is something in it, which then is the log's. */
static void close_log(struct worker *worker)
{
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    log_close();
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
}

static enum worker_result refuse(struct worker *worker, const char *why)
{
    LOG(LEVEL_EMERGENCY, "cannot start: {why}", F_TEXT("why", why));
    sinks_stop(&worker->sinks, LAST_MAIL_MS);
    close_log(worker);
    free(worker);
    return WORKER_REFUSED;
}

enum worker_result worker_run(const struct config *config, const struct worker_options *options)
{
    struct worker *worker = mem_new(sizeof *worker);
    struct error error;
    char password[SECRET_ROOM];
    worker->initial = config;
    worker->merged = *config;
    worker->config = &worker->merged;
    worker->options = *options;
    list_init(&worker->held);
    identity_make(&worker->identity, config->worker.name, options->number);
    log_identify(worker->identity.id, worker->identity.instance);
    uv_loop_init(&worker->loop);
    sinks_open(&worker->sinks, &worker->loop, &worker->identity);
    log_open(&worker->loop, config);
    say_hello(worker);
    if (secret_read(password, "redis.password", config->redis.password, config->redis.password_file, &error) < 0)
        return refuse(worker, error.text);
    worker->deliveries = deliveries_new(worker, &error);
    if (!worker->deliveries)
        return refuse(worker, error.text);
    if (temporary_open(&worker->temporary, worker->identity.instance, &error) < 0)
        LOG(LEVEL_WARNING, "jobs have no directory for temporary files: {why}", F_TEXT("why", error.text));
    open_handles(worker);
    open_queue(worker);
    open_pool(worker);
    worker->status = status_new(worker, password); // connects the sinks
    pool_start(worker->pool);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    status_free(worker->status);
    close_handle(&worker->turn);
    close_handle(&worker->log);
    close_log(worker);
    enum worker_result result = worker->result;
    temporary_close(&worker->temporary);
    reload_free(worker);
    free(worker);
    return result;
}
