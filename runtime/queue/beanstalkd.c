#include "queue/beanstalkd_driver.h"

#include "base/memory.h"
#include "log/log.h"

#include <limits.h>
#include <stdlib.h>

enum {
    BYTES_MOST = 4 * 1024 * 1024,
    IDLE_MS = 10 * 1000,
    RETRY_FIRST_MS = 100,
    RETRY_CAP_MS = 15 * 1000,
    LONG_MS = 60 * 1000,
    KEEP_MS = 50,
};

#define FOR_EACH_CONSUMER(queue, consumer)                                                                             \
    for (struct list *link = (queue)->consumers.next, *after = link->next;                                             \
         link != &(queue)->consumers && ((consumer) = list_entry(link, struct consumer, in_queue), true);              \
         link = after, after = link->next)

static void on_timer_closed(uv_handle_t *handle)
{
    struct queue *queue = handle->data;
    if (--queue->handles == 0)
        free(queue);
}

struct queue *queue_new(uv_loop_t *loop, const struct queue_options *options, const struct queue_events *events)
{
    struct queue *queue = mem_new(sizeof *queue);
    queue->loop = loop;
    queue->options = *options;
    queue->events = *events;
    queue->limit = UINT_MAX;
    queue->backoff = (struct backoff){.first_ms = RETRY_FIRST_MS, .cap_ms = RETRY_CAP_MS};
    queue->state = QUEUE_UP;
    list_init(&queue->consumers);
    window_reset(&queue->window);
    uv_timer_init(loop, &queue->retry);
    uv_timer_init(loop, &queue->idle);
    uv_timer_init(loop, &queue->keep);
    queue->retry.data = queue->idle.data = queue->keep.data = queue;
    uv_timer_init(loop, &queue->probe);
    queue->probe.data = queue;
    queue->storing = true;
    queue->handles = 4;
    return queue;
}

void queue_close(struct queue *queue)
{
    queue->state = QUEUE_CLOSED;
    while (!list_empty(&queue->consumers))
        consumer_leave(list_entry(queue->consumers.next, struct consumer, in_queue));
    uv_close((uv_handle_t *)&queue->retry, on_timer_closed);
    uv_close((uv_handle_t *)&queue->idle, on_timer_closed);
    uv_close((uv_handle_t *)&queue->keep, on_timer_closed);
    uv_close((uv_handle_t *)&queue->probe, on_timer_closed);
}

static bool may_reserve(const struct queue *queue)
{
    return queue->state != QUEUE_CLOSED && queue->storing && queue->ahead < queue->limit;
}

static void on_retry(uv_timer_t *timer)
{
    (void)timer; // that it is no longer active is what queue_wait() looks at
}

void queue_wait(struct queue *queue)
{
    queue->wanted = true;
}

/* One connection waits for a job, unless one does or has been asked. */
static void wait_for_job(struct queue *queue)
{
    struct consumer *consumer, *empty = NULL;
    bool connecting = uv_is_active((uv_handle_t *)&queue->retry);
    FOR_EACH_CONSUMER(queue, consumer)
    {
        if (consumer->asked)
            return;
        if (consumer->state == CONSUMER_EMPTY)
            empty = consumer;
        connecting |= consumer->state == CONSUMER_CONNECTING;
    }
    if (empty) {
        window_reset(&queue->window);
        consumer_wait(empty);
    } else if (!connecting && queue->consumer_count <= queue->options.executors) {
        consumer_new(queue);
    }
}

void queue_executors(struct queue *queue, unsigned executors)
{
    queue->options.executors = executors;
}

void queue_limit(struct queue *queue, unsigned jobs)
{
    struct consumer *consumer;
    queue->limit = jobs;
    if (jobs)
        return;
    FOR_EACH_CONSUMER(queue, consumer)
    {
        if (consumer->state != CONSUMER_HOLDING)
            consumer_leave(consumer);
    }
}

unsigned queue_outstanding(const struct queue *queue)
{
    return queue->jobs;
}

/* How many more jobs to ask for. */
static unsigned room(const struct queue *queue)
{
    unsigned most = window_size(&queue->window) * queue->options.executors;
    if (most > WINDOW_MOST)
        most = WINDOW_MOST;
    if (most > queue->limit)
        most = queue->limit;
    return queue->ahead < most && queue->bytes < BYTES_MOST ? most - queue->ahead : 0;
}

static void release_returned(void *context, struct job *job)
{
    if (!queue_holds(job) || !job->stats)
        return; // lost: that was said, or follows
    struct consumer *consumer = job->consumer;
    bool settled = consumer->settled;
    queue_release(context, job, 0);
    consumer->settled = settled; // nobody is free for another job in its place
}

/* Jobs handed back: all that it has are closed away, some among others are released one by one. */
static void give_back(struct queue *queue, struct consumer *consumer)
{
    if (consumer->returning == consumer->job_count) {
        consumer_leave(consumer);
        return;
    }
    consumer->returning = 0;
    for (struct list *link = consumer->jobs.next; link != &consumer->jobs; link = link->next) {
        struct job *job = list_entry(link, struct job, in_consumer);
        if (job->state != JOB_RETURNING)
            continue;
        job_move(job, JOB_SETTLING);
        queue_ask(queue, job, release_returned, queue);
    }
}

void queue_flush(struct queue *queue)
{
    struct consumer *consumer;
    FOR_EACH_CONSUMER(queue, consumer)
    {
        if (consumer->returning)
            give_back(queue, consumer);
    }
    FOR_EACH_CONSUMER(queue, consumer)
    {
        if (consumer->settled && consumer->state == CONSUMER_HOLDING && may_reserve(queue)) {
            window_grow(&queue->window);
            consumer_ask(consumer, room(queue));
        }
        consumer->settled = false;
    }
    if (queue->wanted && may_reserve(queue))
        wait_for_job(queue); // when nobody was asked above
    queue->wanted = false;
    FOR_EACH_CONSUMER(queue, consumer)
    {
        connection_flush(consumer->connection);
    }
}

void queue_return(struct queue *queue, struct job *job)
{
    (void)queue;
    job_move(job, JOB_RETURNING);
    job->consumer->returning++;
}

void queue_consumer_ready(struct queue *queue)
{
    queue->state = QUEUE_UP;
}

void queue_consumer_works(struct queue *queue)
{
    queue->state = queue->state == QUEUE_CLOSED ? QUEUE_CLOSED : QUEUE_UP;
    backoff_reset(&queue->backoff);
}

void queue_consumer_lost(struct queue *queue, const char *why)
{
    uint64_t now = uv_now(queue->loop);
    if (queue->state == QUEUE_CLOSED || uv_is_active((uv_handle_t *)&queue->retry))
        return;
    unsigned delay_ms = backoff_next_ms(&queue->backoff);
    uv_timer_start(&queue->retry, on_retry, delay_ms, 0);
    if (queue->options.quiet)
        return;
    LOG(LEVEL_WARNING, "no beanstalkd at {server}: {why}; next try in {delay} s",
        F_TEXT("server", queue->options.server), F_TEXT("why", why), F_SECONDS("delay", delay_ms * UINT64_C(1000000)));
    if (queue->state == QUEUE_UP) {
        queue->state = QUEUE_DOWN;
        queue->down_since_ms = now;
    } else if (queue->state == QUEUE_DOWN && now - queue->down_since_ms >= LONG_MS) {
        queue->state = QUEUE_DOWN_LONG;
        LOG(LEVEL_CRITICAL, "beanstalkd at {server} has been unreachable for a minute: {why}; trying on",
            F_TEXT("server", queue->options.server), F_TEXT("why", why));
    }
}

static void on_idle(uv_timer_t *timer)
{
    struct queue *queue = timer->data;
    struct consumer *consumer;
    uint64_t now = uv_now(queue->loop);
    FOR_EACH_CONSUMER(queue, consumer)
    {
        if (consumer->state != CONSUMER_EMPTY || queue->consumer_count == 1)
            continue;
        if (now - consumer->empty_since_ms >= IDLE_MS)
            consumer_leave(consumer);
        else
            uv_timer_start(timer, on_idle, IDLE_MS - (now - consumer->empty_since_ms), 0);
    }
}

void queue_consumer_empty(struct queue *queue)
{
    if (queue->consumer_count > 1 && queue->state != QUEUE_CLOSED && !uv_is_active((uv_handle_t *)&queue->idle))
        uv_timer_start(&queue->idle, on_idle, IDLE_MS, 0);
}

static void on_keep(uv_timer_t *timer)
{
    struct queue *queue = timer->data;
    if (queue->jobs)
        queue_keep(queue);
    else
        uv_timer_stop(timer);
}

void queue_consumer_holds(struct queue *queue)
{
    if (!uv_is_active((uv_handle_t *)&queue->keep))
        uv_timer_start(&queue->keep, on_keep, KEEP_MS, KEEP_MS);
}

const char *queue_instance(const struct queue *queue)
{
    return queue->instance;
}

bool queue_tube_valid(const char *tube, size_t size)
{
    return beanstalkd_tube_valid(tube, size);
}
