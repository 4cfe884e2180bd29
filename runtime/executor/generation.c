#include "executor/generation.h"

#include "base/backoff.h"
#include "base/memory.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>

enum { LONG_NS = 20 * 1000 * 1000, RESTART_FIRST_MS = 100, RESTART_CAP_MS = 15 * 1000, LOOP_TRIES = 5 };

struct member {
    struct generation *generation;
    struct executor *executor; // NULL while it waits for its next start
    bool worked;               // a job has ended on it
    struct backoff backoff;
    uv_timer_t restart;
};

struct generation {
    uv_loop_t *loop;
    struct list place;
    struct executor_options options;
    char *jobs_path, *settings; // what `options` points to
    struct generation_events events;
    uint64_t *sequences;
    enum { GENERATION_LOADING, GENERATION_SERVING, GENERATION_LEAVING } state;
    bool outdated, served;
    struct handlers handlers;
    unsigned alive; // executors that have not gone, stuck ones too
    unsigned handles, count;
    struct member members[];
};

#define FOR_EACH_EXECUTOR(generation, executor)                                                                        \
    for (unsigned i_ = 0; i_ < (generation)->count; i_++)                                                              \
        if (((executor) = (generation)->members[i_].executor))

static void start(struct member *member);

static void on_restart(uv_timer_t *timer)
{
    start(timer->data);
}

static void fail(struct generation *generation, const char *why)
{
    generation->events.failed(generation->events.context, generation, why);
}

static void start_later(struct member *member, const char *why)
{
    unsigned delay_ms = 0;
    if (member->worked) {
        backoff_reset(&member->backoff);
    } else {
        delay_ms = backoff_next_ms(&member->backoff);
        LOG(member->backoff.tries == LOOP_TRIES ? LEVEL_CRITICAL : LEVEL_ERROR,
            "an executor died before it had run a job: {why}; next start in {delay} s", F_TEXT("why", why),
            F_SECONDS("delay", delay_ms * UINT64_C(1000000)));
    }
    uv_timer_start(&member->restart, on_restart, delay_ms, 0);
}

/* The member has no executor any more. */
static void replace(struct member *member, const char *why)
{
    struct generation *generation = member->generation;
    if (generation->state == GENERATION_LOADING)
        fail(generation, why);
    else if (generation->state == GENERATION_SERVING && !generation->outdated)
        start_later(member, why);
}

static void on_ready(void *context, struct executor *executor, struct handlers *handlers)
{
    struct generation *generation = ((struct member *)context)->generation;
    (void)executor;
    handlers_free(&generation->handlers);
    generation->handlers = *handlers;
    handlers_sort(&generation->handlers);
    generation->events.loaded(generation->events.context, generation);
}

static void on_refused(void *context, struct executor *executor, const char *why)
{
    (void)executor;
    fail(((struct member *)context)->generation, why);
}

static void on_outdated(void *context, struct executor *executor)
{
    struct generation *generation = ((struct member *)context)->generation;
    (void)executor;
    generation->outdated = true;
    generation->events.outdated(generation->events.context, generation);
}

/* An executor that has done its share is let go; another takes its place. */
static void recycle(struct executor *executor, const char *why, uint64_t memory)
{
    LOG(LEVEL_INFO, "an executor is replaced: {why} is reached", F_TEXT("why", why),
        F_NUMBER("jobs", executor_ended(executor)), F_NUMBER("memory", memory));
    executor_recall(executor);
    executor_stop(executor);
}

static void check_memory(const struct generation *generation, struct executor *executor)
{
    uint64_t most = generation->options.max_memory;
    uint64_t memory = most && executor_ready(executor) ? executor_memory(executor) : 0;
    if (memory > most)
        recycle(executor, "executor.max_memory", memory);
}

static void on_worked(void *context, struct executor *executor)
{
    struct member *member = context;
    uint64_t most = member->generation->options.max_jobs;
    member->worked = true;
    if (most && executor_ended(executor) >= most && executor_ready(executor))
        recycle(executor, "executor.max_jobs", 0);
}

/* Its place is filled by another; its jobs stay with it until it ends. */
static void on_stuck(void *context, struct executor *executor)
{
    struct member *member = context;
    (void)executor;
    LOG(LEVEL_ALERT, "an executor was killed five seconds ago and has not ended: its process hangs in the kernel");
    member->executor = NULL;
    member->worked = true;
    replace(member, "it hangs");
}

static void on_gone(void *context, struct executor *executor, const char *why)
{
    struct member *member = context;
    struct generation *generation = member->generation;
    bool stuck = member->executor != executor;
    if (!stuck)
        member->executor = NULL;
    generation->alive--;
    if (generation->state == GENERATION_LEAVING && !generation->alive)
        generation->events.gone(generation->events.context, generation);
    else if (!stuck)
        replace(member, why);
}

static void start(struct member *member)
{
    struct generation *generation = member->generation;
    struct error error;
    const struct executor_events events = {
        member, on_ready, on_refused, on_outdated, on_worked, on_stuck, on_gone, generation->events.jobs};
    member->worked = false;
    member->executor = executor_start(generation->loop, &generation->options, &events, generation->sequences, &error);
    if (member->executor)
        generation->alive++;
    else
        replace(member, error.text);
}

struct generation *generation_new(uv_loop_t *loop, unsigned count, const struct executor_options *options,
    uint64_t *sequences, const struct generation_events *events)
{
    struct generation *generation = mem_new(sizeof *generation + count * sizeof *generation->members);
    generation->loop = loop;
    generation->events = *events;
    generation->sequences = sequences;
    generation->options = *options;
    generation->options.jobs_path = generation->jobs_path = mem_copy(options->jobs_path, strlen(options->jobs_path));
    generation->options.settings = generation->settings = mem_copy(options->settings, strlen(options->settings));
    generation->handles = generation->count = count;
    list_init(&generation->place);
    for (unsigned i = 0; i < count; i++) {
        struct member *member = &generation->members[i];
        member->generation = generation;
        member->backoff = (struct backoff){.first_ms = RESTART_FIRST_MS, .cap_ms = RESTART_CAP_MS};
        uv_timer_init(loop, &member->restart);
        member->restart.data = member;
    }
    return generation;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct generation *generation = ((struct member *)handle->data)->generation;
    if (--generation->handles)
        return;
    handlers_free(&generation->handlers);
    free(generation->jobs_path);
    free(generation->settings);
    free(generation);
}

void generation_free(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        uv_close((uv_handle_t *)&generation->members[i].restart, on_timer_closed);
}

void generation_start(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count && generation->state != GENERATION_LEAVING; i++)
        start(&generation->members[i]);
}

void generation_serve(struct generation *generation)
{
    generation->state = GENERATION_SERVING;
    generation->served = true;
}

void generation_leave(struct generation *generation)
{
    struct executor *executor;
    if (generation->state == GENERATION_LEAVING)
        return;
    generation->state = GENERATION_LEAVING;
    for (unsigned i = 0; i < generation->count; i++)
        uv_timer_stop(&generation->members[i].restart);
    generation_recall(generation);
    FOR_EACH_EXECUTOR(generation, executor)
    executor_stop(executor);
    if (!generation->alive)
        generation->events.gone(generation->events.context, generation);
}

void generation_kill(struct generation *generation, const char *why)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    executor_kill(executor, why);
}

bool generation_complete(const struct generation *generation)
{
    unsigned ready = 0;
    const struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    ready += executor_ready(executor);
    return ready == generation->count;
}

bool generation_ready(const struct generation *generation)
{
    const struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    if (executor_ready(executor))
        return true;
    return false;
}

bool generation_idle(const struct generation *generation)
{
    const struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    if (executor_ready(executor) && !executor_load(executor))
        return true;
    return false;
}

bool generation_finishing(const struct generation *generation)
{
    const struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    return generation->served;
    return false;
}

unsigned generation_working(const struct generation *generation)
{
    unsigned working = 0;
    const struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    working += executor_load(executor) > 0;
    return working;
}

const struct handlers *generation_handlers(const struct generation *generation)
{
    return &generation->handlers;
}

bool generation_send(struct generation *generation, struct job *job)
{
    struct executor *executor, *least = NULL;
    FOR_EACH_EXECUTOR(generation, executor)
    {
        if (!executor_ready(executor) || executor_load(executor) == BOARD_SLOTS || executor_busy(executor, LONG_NS))
            continue;
        if (!least || executor_load(executor) < executor_load(least))
            least = executor;
    }
    if (least)
        executor_send(least, job);
    return least;
}

void generation_visit(const struct generation *generation,
    void (*visit)(void *context, struct job *job, uint64_t since_ns), void *context)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    {
        uint64_t since_ns = 0;
        struct job *job = executor_running(executor, &since_ns);
        visit(context, job, since_ns);
    }
}

bool generation_stop_job(struct generation *generation, struct job *job, enum board_why why)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    {
        if (!executor_runs(executor, job))
            continue;
        return executor_stop_job(executor, job, why, 0);
    }
    return false;
}

void generation_recall(struct generation *generation)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    executor_recall(executor);
}

struct executor *generation_find(struct generation *generation, uint64_t id)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    if (executor_id(executor) == id)
        return executor;
    return NULL;
}

void generation_flush(struct generation *generation)
{
    struct executor *executor;
    FOR_EACH_EXECUTOR(generation, executor)
    executor_flush(executor);
}

bool generation_watch(struct generation *generation, uint64_t now_ns)
{
    bool working = false;
    for (unsigned i = 0; i < generation->count; i++) {
        struct executor *executor = generation->members[i].executor;
        if (executor && executor_active(executor)) {
            executor_watch(executor, now_ns, LONG_NS);
            working = true;
        }
        executor = generation->members[i].executor; // it may just have been given up
        if (executor)
            check_memory(generation, executor);
    }
    return working;
}

struct list *generation_place(struct generation *generation)
{
    return &generation->place;
}

struct generation *generation_at(struct list *place)
{
    return list_entry(place, struct generation, place);
}
