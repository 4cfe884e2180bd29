#include "command/trial.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "command/command.h"
#include "executor/executor.h"
#include "executor/limits.h"
#include "log/log.h"
#include "worker/identity.h"
#include "worker/temporary.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 10, LONG_NS = 20 * 1000 * 1000, SIGNALS = 2 };
enum { LARGEST = 65535 }; // bytes of a job: beanstalkd's -z, unless it is told otherwise

static const int signal_numbers[SIGNALS] = {SIGINT, SIGTERM};

/* While it runs. */
struct stage {
    struct trial *trial;
    uv_loop_t loop;
    uv_prepare_t turn;
    uv_timer_t tick;
    uv_signal_t signals[SIGNALS];
    struct temporary temporary;
    struct executor *executor; // NULL: gone
    uint64_t sequences;
    bool loaded, ended;
    int exit_code;
};

/* ---- the log ---- */

/* Waits for a slow reader, so that no line is lost; not once we are told to end, nor for a full disk. */
static void write_log(const struct stage *stage)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (log_flush() && !stage->trial->interrupted && poll(&output, 1, 0) == 0 && poll(&output, 1, -1) > 0)
        ;
}

static void say(const struct job *job, enum level level, const char *message, const struct log_field *fields)
{
    log_write(level, job->envelope.name, message, strlen(message), fields);
}

/* ---- what the job asks for ---- */

static void refuse_put(const struct stage *stage, const struct executor_put *put)
{
    char why[128];
    snprintf(why, sizeof why, "its %zu bytes are more than the %d that beanstalkd takes (max-job-size; -z)",
        (size_t)put->size, LARGEST);
    executor_answer_put(stage->executor, put->request, 0, why, "JOB_TOO_BIG");
}

static void on_put(void *context, uint64_t id, struct job *job, const struct executor_put *put)
{
    struct stage *stage = context;
    struct trial *trial = stage->trial;
    struct buffer *puts = &trial->puts;
    (void)id;
    if (!job) {
        executor_answer_put(stage->executor, put->request, 0, "jobs can only be put while a job runs", "NOT_CONNECTED");
        return;
    }
    if (put->size > LARGEST) {
        refuse_put(stage, put);
        return;
    }
    say(job, LEVEL_NOTICE, "would put into tube {tube} (priority {priority}, delay {delay} s, ttr {ttr} s): {body}",
        (const struct log_field[]){F_BYTES("tube", put->tube, put->tube_size), F_NUMBER("priority", put->priority),
            F_NUMBER("delay", put->delay_s), F_NUMBER("ttr", put->ttr_s), F_BYTES("body", put->body, put->size), {0}});
    buffer_append_text(puts, trial->put_count++ ? ",{\"tube\":" : "{\"tube\":");
    json_quote(puts, put->tube, put->tube_size);
    buffer_printf(puts, ",\"priority\":%u,\"delay\":%u,\"ttr\":%u,\"body\":", put->priority, put->delay_s, put->ttr_s);
    json_quote(puts, put->body, put->size);
    buffer_append_text(puts, "}");
    executor_answer_put(stage->executor, put->request, trial->put_count, NULL, NULL);
}

static void on_asked(void *context, uint64_t id, struct job *job, uint32_t request)
{
    struct stage *stage = context;
    (void)id;
    executor_answer_stats(
        stage->executor, request, job->tube, policy_attempt(job->stats->buries, job->retry.max), NULL);
}

static void on_progressed(void *context, struct job *job, const char *json, size_t size)
{
    (void)context;
    say(job, LEVEL_INFO, "progress {progress}", (const struct log_field[]){F_BYTES("progress", json, size), {0}});
    free(job->progress);
    job->progress = mem_copy(json, size);
}

/* No other job is asked about, and this one always is the first. */
static void on_once(
    void *context, uint64_t id, struct job *job, uint32_t request, const char *key, size_t size, uint32_t ttl_s)
{
    struct stage *stage = context;
    (void)id;
    (void)ttl_s;
    say(job, LEVEL_NOTICE, "once {key}: true, Redis is not asked",
        (const struct log_field[]){F_BYTES("key", key, size), {0}});
    executor_answer_once(stage->executor, request, true, NULL);
}

static void on_job(void *context, struct job *job)
{
    (void)context; // it has no reservation to be renewed; unstarted, its executor goes next
    (void)job;
}

/* ---- the executor ---- */

static void stop(struct stage *stage)
{
    if (executor_ready(stage->executor)) // else it ends already
        executor_stop(stage->executor);
}

static void on_ended(void *context, struct job *job)
{
    struct stage *stage = context;
    (void)job;
    stage->ended = true;
    stop(stage);
}

static void refuse(struct stage *stage, int exit_code, const char *what, const char *why)
{
    if (stage->exit_code != EXIT_DONE)
        return; // the first reason is the one
    stage->exit_code = exit_code;
    error_set(&stage->trial->error, "%s%s", what, why);
}

/* Its place in a round of attempts is known once its handler is. */
static int place(struct stage *stage)
{
    char last[16];
    struct trial *trial = stage->trial;
    struct job *job = trial->job;
    if (trial->attempt > job->retry.max + 1) {
        snprintf(last, sizeof last, "%u", job->retry.max + 1);
        refuse(stage, EXIT_USAGE, "--attempt: the last attempt of this job is ", last);
        return -1;
    }
    if (trial->attempt)
        job->stats->buries = trial->attempt - 1;
    return 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct stage *stage = timer->data;
    executor_watch(stage->executor, clock_ns(), LONG_NS);
}

static void on_ready(void *context, struct executor *executor, struct handlers *handlers)
{
    struct error why;
    enum policy_outcome refusal;
    struct stage *stage = context;
    struct job *job = stage->trial->job;
    stage->loaded = true;
    stage->trial->handlers = *handlers;
    uv_timer_start(&stage->tick, on_tick, TICK_MS, TICK_MS);
    if (limits_set(job, handlers, stage->trial->config, &refusal, &why) < 0) {
        job_set_outcome(job, refusal, 0, why.text, strlen(why.text), "", 0);
        on_ended(stage, job);
    } else if (place(stage) < 0) {
        executor_stop(executor);
    } else {
        job->fresh_until_ms = UINT64_MAX / 1000000; // it has no reservation that could be lost
        executor_send(executor, job);
    }
}

static void on_refused(void *context, struct executor *executor, const char *why)
{
    (void)executor;
    refuse(context, EXIT_CONFIG, "the handlers do not load: ", why);
}

static void on_stuck(void *context, struct executor *executor)
{
    (void)context;
    (void)executor;
    LOG(LEVEL_ALERT, "the executor was killed five seconds ago and has not ended: something in the kernel holds it");
}

static void on_nothing(void *context, struct executor *executor)
{
    (void)context; // an outdated one is killed, and its end says why
    (void)executor;
}

static void close_handles(struct stage *stage)
{
    uv_close((uv_handle_t *)&stage->turn, NULL);
    uv_close((uv_handle_t *)&stage->tick, NULL);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&stage->signals[i], NULL);
}

static void on_gone(void *context, struct executor *executor, const char *why)
{
    struct stage *stage = context;
    (void)executor;
    stage->executor = NULL;
    if (stage->trial->interrupted && !stage->ended)
        refuse(stage, EXIT_FAILED, "interrupted before the job began", "");
    else if (!stage->loaded)
        refuse(stage, EXIT_CONFIG, "the handlers do not load: ", why);
    else if (!stage->ended)
        refuse(stage, EXIT_FAILED, "the executor ended before it began the job: ", why);
    close_handles(stage);
}

/* ---- the loop ---- */

/* The first stops the job where it stands, which its traceback shows; the second kills it. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct stage *stage = handle->data;
    struct trial *trial = stage->trial;
    (void)number;
    trial->interrupted = true;
    if (stage->executor && !(executor_runs(stage->executor, trial->job) &&
                               executor_stop_job(stage->executor, trial->job, BOARD_CANCELLED, 0)))
        executor_kill(stage->executor, "interrupted");
}

static void on_turn(uv_prepare_t *prepare)
{
    struct stage *stage = prepare->data;
    if (stage->executor)
        executor_flush(stage->executor);
    write_log(stage);
}

static void open_handles(struct stage *stage)
{
    uv_prepare_init(&stage->loop, &stage->turn);
    uv_timer_init(&stage->loop, &stage->tick);
    stage->turn.data = stage->tick.data = stage;
    uv_prepare_start(&stage->turn, on_turn);
    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&stage->loop, &stage->signals[i]);
        stage->signals[i].data = stage;
        uv_signal_start(&stage->signals[i], on_signal, signal_numbers[i]);
    }
}

static void start(struct stage *stage, const struct executor_events *events)
{
    struct error error;
    const struct config *config = stage->trial->config;
    const struct executor_options options = {
        .binary = stage->trial->executor,
        .directory = config->directory,
        .jobs_path = config->jobs.path,
        .settings = config->settings,
        .lowest_level = LEVEL_DEBUG,
        .memory = config->executor.memory,
        .temporary = stage->temporary.path,
    };
    stage->executor = executor_start(&stage->loop, &options, events, &stage->sequences, &error);
    if (stage->executor)
        return;
    refuse(stage, EXIT_FAILED, "", error.text);
    close_handles(stage);
}

static void open_temporary(struct temporary *temporary)
{
    struct identity identity;
    struct error error;
    identity_make(&identity, "exec", 0);
    if (temporary_open(temporary, identity.instance, &error) < 0)
        LOG(LEVEL_WARNING, "the job has no directory for temporary files: {why}", F_TEXT("why", error.text));
}

int trial_run(struct trial *trial)
{
    struct stage stage = {.trial = trial};
    const struct job_events of_job = {
        &stage, on_ended, on_job, on_put, on_asked, on_job, on_progressed, on_once, on_job};
    const struct executor_events events = {
        &stage, on_ready, on_refused, on_nothing, on_nothing, on_stuck, on_gone, &of_job};
    const struct config_sink sink = {.to = CONFIG_SINK_STDERR, .level = LEVEL_DEBUG};
    struct config logged = *trial->config;
    logged.log = &sink;
    logged.log_count = 1;
    uv_loop_init(&stage.loop);
    log_open(&stage.loop, &logged);
    open_temporary(&stage.temporary);
    open_handles(&stage);
    start(&stage, &events);
    uv_run(&stage.loop, UV_RUN_DEFAULT);
    write_log(&stage);
    log_close();
    uv_loop_close(&stage.loop);
    temporary_close(&stage.temporary);
    return stage.exit_code;
}

void trial_free(struct trial *trial)
{
    handlers_free(&trial->handlers);
    buffer_free(&trial->puts);
}
