#include "executor/pool.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/memory.h"
#include "log/log.h"

#include <stdlib.h>

enum { TICK_MS = 10, LONG_NS = 20 * 1000 * 1000, RESTART_FIRST_MS = 100, RESTART_CAP_MS = 15 * 1000, LOOP_TRIES = 5 };

struct member {
    struct pool *pool;
    struct executor *executor; // NULL while it waits for its next start
    bool worked;               // a job has ended on it
    struct backoff backoff;
    uv_timer_t restart;
};

struct pool {
    uv_loop_t *loop;
    struct executor_options options;
    struct pool_events events;
    uint64_t sequences;
    enum { POOL_STARTING, POOL_RUNNING, POOL_STOPPING } state;
    uv_timer_t tick; // runs while jobs do
    struct handlers handlers;
    unsigned alive; // executors that have not gone, stuck ones too
    unsigned handles, count;
    struct member members[];
};

static void start(struct member *member);

static void on_restart(uv_timer_t *timer)
{
    start(timer->data);
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

static void on_ready(void *context, struct executor *executor, struct handlers *handlers)
{
    struct pool *pool = ((struct member *)context)->pool;
    (void)executor;
    handlers_free(&pool->handlers);
    pool->handlers = *handlers;
    handlers_sort(&pool->handlers);
    if (pool->state == POOL_STARTING) {
        pool->state = POOL_RUNNING;
        pool->events.ready(pool->events.context, handlers->count);
    }
}

static void on_refused(void *context, struct executor *executor, const char *why)
{
    struct pool *pool = ((struct member *)context)->pool;
    (void)executor;
    if (pool->state == POOL_STARTING)
        pool->events.refused(pool->events.context, why);
    else
        LOG(LEVEL_CRITICAL, "the handlers do not load: {why}", F_TEXT("why", why));
}

/* An executor that has done its share is let go; another takes its place. */
static void recycle(struct executor *executor, const char *why, uint64_t memory)
{
    LOG(LEVEL_INFO, "an executor is replaced: {why} is reached", F_TEXT("why", why),
        F_NUMBER("jobs", executor_ended(executor)), F_NUMBER("memory", memory));
    executor_recall(executor);
    executor_stop(executor);
}

static void check_memory(const struct pool *pool, struct executor *executor)
{
    uint64_t memory = pool->options.max_memory && executor_ready(executor) ? executor_memory(executor) : 0;
    if (memory > pool->options.max_memory)
        recycle(executor, "executor.max_memory", memory);
}

static void on_ended(void *context, struct job *job)
{
    struct member *member = context;
    struct pool *pool = member->pool;
    member->worked = true;
    if (pool->options.max_jobs && member->executor && executor_ended(member->executor) >= pool->options.max_jobs &&
        executor_ready(member->executor))
        recycle(member->executor, "executor.max_jobs", 0);
    pool->events.ended(pool->events.context, job);
}

static void on_unstarted(void *context, struct job *job)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.unstarted(pool->events.context, job);
}

static void on_put(void *context, struct executor *executor, struct job *job, const struct executor_put *put)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.put(pool->events.context, executor_id(executor), job, put);
}

static void on_asked(void *context, struct executor *executor, struct job *job, uint32_t request)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.asked(pool->events.context, executor_id(executor), job, request);
}

static void on_touched(void *context, struct job *job)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.touched(pool->events.context, job);
}

static void on_progressed(void *context, struct job *job, const char *json, size_t size)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.progressed(pool->events.context, job, json, size);
}

static void on_once(void *context, struct executor *executor, struct job *job, uint32_t request, const char *key,
    size_t size, uint32_t ttl_s)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.once(pool->events.context, executor_id(executor), job, request, key, size, ttl_s);
}

static void on_timed_out(void *context, struct job *job)
{
    struct pool *pool = ((struct member *)context)->pool;
    pool->events.timed_out(pool->events.context, job);
}

/* Its place is filled by another; its jobs stay with it until it ends. */
static void on_stuck(void *context, struct executor *executor)
{
    struct member *member = context;
    (void)executor;
    LOG(LEVEL_ALERT, "an executor was killed five seconds ago and has not ended: its process hangs in the kernel");
    member->executor = NULL;
    member->worked = true;
    if (member->pool->state != POOL_STOPPING)
        start_later(member, "it hangs");
}

static void on_gone(void *context, struct executor *executor, const char *why)
{
    struct member *member = context;
    struct pool *pool = member->pool;
    bool stuck = member->executor != executor;
    if (!stuck)
        member->executor = NULL;
    pool->alive--;
    if (pool->state == POOL_STOPPING && !pool->alive)
        pool->events.stopped(pool->events.context);
    else if (pool->state != POOL_STOPPING && !stuck)
        start_later(member, why);
}

static void start(struct member *member)
{
    struct pool *pool = member->pool;
    struct error error;
    const struct executor_events events = {member, on_ready, on_refused, on_ended, on_unstarted, on_put, on_asked,
        on_touched, on_progressed, on_once, on_timed_out, on_stuck, on_gone};
    member->worked = false;
    member->executor = executor_start(pool->loop, &pool->options, &events, &pool->sequences, &error);
    if (member->executor)
        pool->alive++;
    else
        start_later(member, error.text);
}

static void on_tick(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    uint64_t now_ns = clock_ns();
    bool working = false;
    for (unsigned i = 0; i < pool->count; i++) {
        struct executor *executor = pool->members[i].executor;
        if (executor && executor_active(executor)) {
            executor_watch(executor, now_ns, LONG_NS);
            working = true;
        }
        if (pool->members[i].executor)
            check_memory(pool, pool->members[i].executor);
    }
    if (!working)
        uv_timer_stop(timer);
}

struct pool *pool_new(
    uv_loop_t *loop, unsigned count, const struct executor_options *options, const struct pool_events *events)
{
    struct pool *pool = mem_new(sizeof *pool + count * sizeof *pool->members);
    pool->loop = loop;
    pool->options = *options;
    pool->events = *events;
    pool->count = count;
    pool->handles = count + 1;
    uv_timer_init(loop, &pool->tick);
    pool->tick.data = pool;
    for (unsigned i = 0; i < count; i++) {
        struct member *member = &pool->members[i];
        member->pool = pool;
        member->backoff = (struct backoff){.first_ms = RESTART_FIRST_MS, .cap_ms = RESTART_CAP_MS};
        uv_timer_init(loop, &member->restart);
        member->restart.data = member;
    }
    return pool;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct pool *pool = handle->data;
    if (--pool->handles)
        return;
    handlers_free(&pool->handlers);
    free(pool);
}

void pool_free(struct pool *pool)
{
    uv_close((uv_handle_t *)&pool->tick, on_timer_closed);
    for (unsigned i = 0; i < pool->count; i++) {
        pool->members[i].restart.data = pool;
        uv_close((uv_handle_t *)&pool->members[i].restart, on_timer_closed);
    }
}

void pool_start(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        start(&pool->members[i]);
}

void pool_stop(struct pool *pool)
{
    pool->state = POOL_STOPPING;
    for (unsigned i = 0; i < pool->count; i++) {
        uv_timer_stop(&pool->members[i].restart);
        if (pool->members[i].executor)
            executor_stop(pool->members[i].executor);
    }
    if (!pool->alive)
        pool->events.stopped(pool->events.context);
}

void pool_kill(struct pool *pool, const char *why)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->members[i].executor)
            executor_kill(pool->members[i].executor, why);
}

static bool ready(const struct member *member)
{
    return member->executor && executor_ready(member->executor);
}

bool pool_idle(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (ready(&pool->members[i]) && !executor_load(pool->members[i].executor))
            return true;
    return false;
}

bool pool_ready(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (ready(&pool->members[i]))
            return true;
    return false;
}

const struct handlers *pool_handlers(const struct pool *pool)
{
    return &pool->handlers;
}

bool pool_send(struct pool *pool, struct job *job)
{
    struct executor *least = NULL;
    for (unsigned i = 0; i < pool->count; i++) {
        struct executor *executor = pool->members[i].executor;
        if (!ready(&pool->members[i]) || executor_load(executor) == BOARD_SLOTS || executor_busy(executor, LONG_NS))
            continue;
        if (!least || executor_load(executor) < executor_load(least))
            least = executor;
    }
    if (!least)
        return false;
    executor_send(least, job);
    if (!uv_is_active((uv_handle_t *)&pool->tick))
        uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
    return true;
}

void pool_stop_job(struct pool *pool, struct job *job, enum board_why why)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->members[i].executor && executor_runs(pool->members[i].executor, job))
            executor_stop_job(pool->members[i].executor, job, why, 0);
}

void pool_recall(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->members[i].executor)
            executor_recall(pool->members[i].executor);
}

struct executor *pool_find(struct pool *pool, uint64_t id)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->members[i].executor && executor_id(pool->members[i].executor) == id)
            return pool->members[i].executor;
    return NULL;
}

void pool_flush(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->members[i].executor)
            executor_flush(pool->members[i].executor);
}
