#include "executor/pool.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/memory.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>

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
    uv_timer_t tick; // runs while something is sent behind something
    char **names;
    size_t name_count;
    unsigned alive, handles, count;
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

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void on_ready(void *context, struct executor *executor, char **names, size_t count)
{
    struct member *member = context;
    struct pool *pool = member->pool;
    (void)executor;
    free_names(pool->names, pool->name_count);
    qsort(names, count, sizeof *names, compare_names);
    pool->names = names;
    pool->name_count = count;
    if (pool->state == POOL_STARTING) {
        pool->state = POOL_RUNNING;
        pool->events.ready(pool->events.context, count);
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

static void on_ended(void *context, struct job *job)
{
    struct member *member = context;
    member->worked = true;
    member->pool->events.ended(member->pool->events.context, job);
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

static void on_gone(void *context, struct executor *executor, const char *why)
{
    struct member *member = context;
    struct pool *pool = member->pool;
    (void)executor;
    member->executor = NULL;
    pool->alive--;
    if (pool->state != POOL_STOPPING)
        start_later(member, why);
    else if (!pool->alive)
        pool->events.stopped(pool->events.context);
}

static void start(struct member *member)
{
    struct pool *pool = member->pool;
    struct error error;
    const struct executor_events events = {
        member, on_ready, on_refused, on_ended, on_unstarted, on_put, on_asked, on_gone};
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
    bool behind = false;
    for (unsigned i = 0; i < pool->count; i++) {
        struct executor *executor = pool->members[i].executor;
        if (!executor || executor_load(executor) < 2)
            continue;
        executor_harvest(executor);
        executor_recall_behind(executor, clock_ns(), LONG_NS);
        behind |= executor_load(executor) > 1;
    }
    if (!behind)
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
    free_names(pool->names, pool->name_count);
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

bool pool_knows(const struct pool *pool, const char *name)
{
    return bsearch(&name, pool->names, pool->name_count, sizeof *pool->names, compare_names) != NULL;
}

const char *const *pool_names(const struct pool *pool, size_t *count)
{
    *count = pool->name_count;
    return (const char *const *)pool->names;
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
    if (executor_load(least) > 1 && !uv_is_active((uv_handle_t *)&pool->tick))
        uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
    return true;
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
