#include "executor/pool.h"

#include "base/clock.h"
#include "base/memory.h"
#include "executor/generation.h"
#include "log/log.h"

#include <stdlib.h>

enum { TICK_MS = 10, LEAVING_MOST = 2 };

struct pool {
    uv_loop_t *loop;
    unsigned count; // executors per generation
    struct pool_events events;
    uint64_t sequences;
    enum { POOL_STARTING, POOL_RUNNING, POOL_STOPPING } state;
    uv_timer_t tick;         // runs while executors have jobs, or are to exit
    struct list generations; // all that are not gone, and `current` in any case
    unsigned alive;          // generations that are not gone
    struct generation *current;
    struct generation *coming; // loads, to take over; or NULL
};

/* The body may end this one. */
#define FOR_EACH_GENERATION(pool, generation)                                                                          \
    for (struct list *link_ = (pool)->generations.next, *after_;                                                       \
         (after_ = link_->next, link_ != &(pool)->generations) && ((generation) = generation_at(link_));               \
         link_ = after_)

static void on_tick(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    struct generation *generation;
    uint64_t now_ns = clock_ns();
    bool working = false;
    FOR_EACH_GENERATION(pool, generation)
    working |= generation_watch(generation, now_ns);
    if (!working)
        uv_timer_stop(timer);
}

static void watch(struct pool *pool)
{
    if (!uv_is_active((uv_handle_t *)&pool->tick))
        uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
}

static void leave(struct pool *pool, struct generation *generation)
{
    if (generation == pool->coming)
        pool->coming = NULL;
    generation_leave(generation);
    watch(pool);
}

static void take_over(struct pool *pool)
{
    struct generation *old = pool->current;
    pool->current = pool->coming;
    pool->coming = NULL;
    generation_serve(pool->current);
    leave(pool, old);
    pool->events.reloaded(pool->events.context, pool_handlers(pool)->count);
}

static void on_loaded(void *context, struct generation *generation)
{
    struct pool *pool = context;
    if (generation == pool->coming && generation_complete(generation)) {
        take_over(pool);
    } else if (generation == pool->current && pool->state == POOL_STARTING) {
        pool->state = POOL_RUNNING;
        pool->events.ready(pool->events.context, pool_handlers(pool)->count);
    }
}

static void on_failed(void *context, struct generation *generation, const char *why)
{
    struct pool *pool = context;
    if (generation == pool->coming) {
        leave(pool, generation);
        pool->events.kept(pool->events.context, why);
    } else if (generation == pool->current && pool->state == POOL_STARTING) {
        pool->events.refused(pool->events.context, why);
    } else if (generation == pool->current) {
        LOG(LEVEL_CRITICAL, "the handlers do not load: {why}", F_TEXT("why", why));
    }
}

static void on_outdated(void *context, struct generation *generation)
{
    struct pool *pool = context;
    if (pool->state == POOL_STARTING) {
        pool->events.refused(
            pool->events.context, "lunastalk and lunastalk-executor are of different builds: install both");
    } else if (generation == pool->coming || generation == pool->current) {
        if (generation == pool->coming)
            leave(pool, generation);
        pool->events.outdated(pool->events.context);
    }
}

static void on_gone(void *context, struct generation *generation)
{
    struct pool *pool = context;
    pool->alive--;
    if (generation != pool->current) {
        list_remove(generation_place(generation));
        generation_free(generation);
    }
    if (pool->state == POOL_STOPPING && !pool->alive)
        pool->events.stopped(pool->events.context);
}

static struct generation *add_generation(struct pool *pool, const struct executor_options *options)
{
    const struct generation_events events = {pool, on_loaded, on_failed, on_outdated, on_gone, &pool->events.jobs};
    struct generation *generation = generation_new(pool->loop, pool->count, options, &pool->sequences, &events);
    list_insert(&pool->generations, generation_place(generation));
    pool->alive++;
    return generation;
}

struct pool *pool_new(
    uv_loop_t *loop, unsigned count, const struct executor_options *options, const struct pool_events *events)
{
    struct pool *pool = mem_new(sizeof *pool);
    pool->loop = loop;
    pool->events = *events;
    pool->count = count;
    uv_timer_init(loop, &pool->tick);
    pool->tick.data = pool;
    list_init(&pool->generations);
    pool->current = add_generation(pool, options);
    return pool;
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pool_free(struct pool *pool)
{
    generation_free(pool->current);
    uv_close((uv_handle_t *)&pool->tick, on_tick_closed);
}

void pool_start(struct pool *pool)
{
    generation_serve(pool->current);
    generation_start(pool->current);
}

void pool_stop(struct pool *pool)
{
    struct generation *generation;
    pool->state = POOL_STOPPING;
    pool->coming = NULL;
    watch(pool);
    FOR_EACH_GENERATION(pool, generation)
    generation_leave(generation);
}

void pool_kill(struct pool *pool, const char *why)
{
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    generation_kill(generation, why);
}

bool pool_can_reload(const struct pool *pool)
{
    unsigned leaving = 0;
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    leaving += generation != pool->current && generation_finishing(generation);
    return pool->state == POOL_RUNNING && leaving < LEAVING_MOST;
}

void pool_reload(struct pool *pool, const struct executor_options *options)
{
    if (pool->coming)
        leave(pool, pool->coming);
    pool->coming = add_generation(pool, options);
    generation_start(pool->coming);
}

bool pool_reloading(const struct pool *pool)
{
    return pool->coming;
}

unsigned pool_leaving(const struct pool *pool)
{
    unsigned working = 0;
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    working += generation == pool->current ? 0 : generation_working(generation);
    return working;
}

bool pool_idle(const struct pool *pool)
{
    return generation_idle(pool->current);
}

bool pool_ready(const struct pool *pool)
{
    return generation_ready(pool->current);
}

const struct handlers *pool_handlers(const struct pool *pool)
{
    return generation_handlers(pool->current);
}

bool pool_send(struct pool *pool, struct job *job)
{
    if (!generation_send(pool->current, job))
        return false;
    watch(pool);
    return true;
}

bool pool_stop_job(struct pool *pool, struct job *job, enum board_why why)
{
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    if (generation_stop_job(generation, job, why))
        return true;
    return false;
}

void pool_recall(struct pool *pool)
{
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    generation_recall(generation);
}

struct executor *pool_find(struct pool *pool, uint64_t id)
{
    struct generation *generation;
    struct executor *executor = NULL;
    FOR_EACH_GENERATION(pool, generation)
    if ((executor = generation_find(generation, id)))
        break;
    return executor;
}

void pool_flush(struct pool *pool)
{
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    generation_flush(generation);
}

void pool_visit(
    const struct pool *pool, void (*visit)(void *context, struct job *job, uint64_t since_ns), void *context)
{
    struct generation *generation;
    FOR_EACH_GENERATION(pool, generation)
    generation_visit(generation, visit, context);
}

static void count_running(void *context, struct job *job, uint64_t since_ns)
{
    (void)since_ns;
    *(unsigned *)context += job != NULL;
}

unsigned pool_running(const struct pool *pool)
{
    unsigned running = 0;
    pool_visit(pool, count_running, &running);
    return running;
}

struct search {
    uint64_t id;
    struct job *found;
};

static void find_job(void *context, struct job *job, uint64_t since_ns)
{
    struct search *search = context;
    (void)since_ns;
    if (job && job->id == search->id)
        search->found = job;
}

bool pool_cancel(struct pool *pool, uint64_t id)
{
    struct search search = {.id = id};
    pool_visit(pool, find_job, &search);
    if (!search.found || !pool_stop_job(pool, search.found, BOARD_CANCELLED))
        return false;
    search.found->cancelled = true;
    return true;
}
