#include "queue/beanstalkd_driver.h"

#include "base/clock.h"
#include "base/memory.h"
#include "log/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_TOUCH_MS = 500, EXPIRES_SOONEST_NS = 900 * 1000 * 1000 }; // no TTR is shorter than a second

static void move(struct consumer *consumer, enum consumer_state state)
{
    static const unsigned moves[] = {
        [CONSUMER_CONNECTING] = 1u << CONSUMER_EMPTY,
        [CONSUMER_EMPTY] = 1u << CONSUMER_WAITING,
        [CONSUMER_WAITING] = 1u << CONSUMER_EMPTY | 1u << CONSUMER_HOLDING,
        [CONSUMER_HOLDING] = 1u << CONSUMER_EMPTY,
        [CONSUMER_LEAVING] = 0,
    };
    assert(state == CONSUMER_LEAVING || moves[consumer->state] & 1u << state);
    consumer->state = state;
    if (state == CONSUMER_EMPTY) {
        consumer->empty_since_ms = uv_now(consumer->queue->loop);
        queue_consumer_empty(consumer->queue);
    }
}

static void expect(struct consumer *consumer, connection_reply *callback, void *argument)
{
    connection_expect(consumer->connection, REPLY_LIMIT_MS, callback, argument);
}

/* The one of its jobs with that id, when one is old enough that its TTR can have run out. */
static struct job *find_expired(struct consumer *consumer, uint64_t id)
{
    struct list *link = consumer->jobs.next;
    if (link == &consumer->jobs ||
        clock_ns() - list_entry(link, struct job, in_consumer)->reserved_ns < EXPIRES_SOONEST_NS)
        return NULL;
    for (; link != &consumer->jobs; link = link->next)
        if (list_entry(link, struct job, in_consumer)->id == id)
            return list_entry(link, struct job, in_consumer);
    return NULL;
}

/* Another of our connections had that job: its run is stopped, since its reservation has passed to this one. */
static void lose_elsewhere(struct consumer *consumer, uint64_t id)
{
    struct queue *queue = consumer->queue;
    for (struct list *link = queue->consumers.next; link != &queue->consumers; link = link->next) {
        struct consumer *other = list_entry(link, struct consumer, in_queue);
        struct job *job = other != consumer ? find_expired(other, id) : NULL;
        if (job)
            consumer_lose(job, "its TTR ran out");
    }
}

static void take(struct consumer *consumer, const struct beanstalkd_reply *reply)
{
    struct queue *queue = consumer->queue;
    lose_elsewhere(consumer, reply->number);
    if (find_expired(consumer, reply->number)) {
        // Its TTR ran out and this connection got it again: one reservation, one run, and that goes on.
        queue->ahead--;
        LOG(LEVEL_WARNING, "job {id} ran out of its TTR and was reserved again by the same worker; its run goes on",
            F_NUMBER("id", reply->number), F_TEXT("server", queue->options.server));
        return;
    }
    struct job *job = job_new(queue->options.server, reply->number, reply->body, reply->size);
    job->consumer = consumer;
    job->reserved_ns = clock_ns();
    bool doubtful = uv_now(queue->loop) < queue->doubt_until_ms;
    job->touch_at_ms = job->fresh_until_ms = doubtful ? 0 : uv_now(queue->loop) + FIRST_TOUCH_MS;
    job->tube = queue->options.tube_count == 1 ? queue->options.tubes[0] : NULL;
    list_insert(&consumer->jobs, &job->in_consumer);
    consumer->job_count++;
    queue->jobs++;
    queue_consumer_holds(queue);
    queue->bytes += job->size;
    queue->events.reserved(queue->events.context, job);
}

static void empty_if_done(struct consumer *consumer)
{
    if (consumer->state == CONSUMER_HOLDING && !consumer->job_count && !consumer->asked)
        move(consumer, CONSUMER_EMPTY);
}

static void on_reserved(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    (void)argument;
    consumer->asked--;
    if (reply && reply->kind == REPLY_RESERVED) {
        queue_consumer_works(consumer->queue);
        if (consumer->state == CONSUMER_WAITING)
            move(consumer, CONSUMER_HOLDING);
        take(consumer, reply); // counted in `ahead` since it was asked for
        return;
    }
    consumer->queue->ahead--;
    if (!reply)
        return;
    bool waiting = consumer->state == CONSUMER_WAITING;
    // DEADLINE_SOON to one that holds no job: the server sees one. Closing is what gives it back.
    if (reply->kind != REPLY_TIMED_OUT && (waiting || reply->kind != REPLY_DEADLINE_SOON)) {
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
    } else if (waiting) {
        queue_consumer_works(consumer->queue);
        move(consumer, CONSUMER_EMPTY);
        consumer->queue->events.empty(consumer->queue->events.context);
    } else {
        empty_if_done(consumer);
    }
}

static void reserve(struct consumer *consumer, unsigned timeout_s)
{
    buffer_printf(connection_out(consumer->connection), "reserve-with-timeout %u\r\n", timeout_s);
    connection_expect(consumer->connection, timeout_s * 1000 + REPLY_LIMIT_MS, on_reserved, NULL);
    consumer->asked++;
    consumer->queue->ahead++;
}

void consumer_wait(struct consumer *consumer)
{
    reserve(consumer, consumer->queue->options.reserve_timeout_s);
    move(consumer, CONSUMER_WAITING);
}

void consumer_ask(struct consumer *consumer, unsigned count)
{
    while (count--)
        reserve(consumer, 0);
}

void consumer_leave(struct consumer *consumer)
{
    move(consumer, CONSUMER_LEAVING);
    connection_close(consumer->connection, "");
}

void consumer_drop(struct job *job)
{
    struct consumer *consumer = job->consumer;
    list_remove(&job->in_consumer);
    job->consumer = NULL;
    consumer->job_count--;
    consumer->returning -= job->state == JOB_RETURNING && consumer->returning;
    consumer->queue->jobs--;
    consumer->queue->bytes -= job->size;
    empty_if_done(consumer);
}

static void on_watched(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    (void)argument;
    if (reply && reply->kind != REPLY_WATCHING)
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
}

/* Whether `version` ("1.12", "1.13+2.gab12") has reserve-job; an unusual one is trusted. */
static bool recent(const char *version)
{
    unsigned major, minor;
    return sscanf(version, "%u.%u", &major, &minor) != 2 || major > 1 || minor >= 12;
}

static void copy_stat(char *to, size_t room, const struct beanstalkd_reply *reply, const char *key)
{
    size_t size = 0;
    const char *value = beanstalkd_stat(reply->body, reply->size, key, &size);
    snprintf(to, room, "%.*s", (int)size, value ? value : "");
}

static void notice_server(struct queue *queue, const struct beanstalkd_reply *stats, const char *version)
{
    char instance[sizeof queue->instance];
    copy_stat(instance, sizeof instance, stats, "id");
    bool restarted = *queue->instance && strcmp(queue->instance, instance) != 0;
    memcpy(queue->instance, instance, sizeof instance);
    queue->body_most = beanstalkd_stat_number(stats->body, stats->size, "max-job-size", UINT64_MAX);
    if (queue->options.quiet)
        return;
    if (restarted)
        LOG(LEVEL_NOTICE, "beanstalkd at {server} was restarted", F_TEXT("server", queue->options.server));
    if (queue->state != QUEUE_UP || !queue->told_volatile)
        LOG(LEVEL_INFO, "connected to beanstalkd {version} at {server}", F_TEXT("version", version),
            F_TEXT("server", queue->options.server));
    if (!queue->told_volatile && !beanstalkd_stat_number(stats->body, stats->size, "binlog-current-index", 0))
        LOG(LEVEL_NOTICE, "beanstalkd at {server} runs without -b: it keeps jobs in memory only",
            F_TEXT("server", queue->options.server));
    queue->told_volatile = true;
}

static void on_stats(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    char version[64], why[128];
    (void)argument;
    if (!reply)
        return;
    if (reply->kind != REPLY_OK) {
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
        return;
    }
    copy_stat(version, sizeof version, reply, "version");
    if (!recent(version)) {
        snprintf(why, sizeof why, "beanstalkd %s is too old: 1.12 or later is needed", version);
        connection_close(consumer->connection, why);
        return;
    }
    notice_server(consumer->queue, reply, version);
    queue_consumer_ready(consumer->queue);
    move(consumer, CONSUMER_EMPTY);
}

static void on_open(void *context)
{
    struct consumer *consumer = context;
    const struct queue_options *options = &consumer->queue->options;
    struct buffer *out = connection_out(consumer->connection);
    bool watches_default = false;
    for (size_t i = 0; i < options->tube_count; i++) {
        watches_default |= strcmp(options->tubes[i], "default") == 0;
        buffer_printf(out, "watch %s\r\n", options->tubes[i]);
        expect(consumer, on_watched, NULL);
    }
    if (!watches_default) {
        buffer_append_text(out, "ignore default\r\n");
        expect(consumer, on_watched, NULL);
    }
    buffer_append_text(out, "stats\r\n");
    expect(consumer, on_stats, NULL);
    connection_flush(consumer->connection);
}

static void on_closed(void *context, const char *why)
{
    struct consumer *consumer = context;
    struct queue *queue = consumer->queue;
    bool leaving = consumer->state == CONSUMER_LEAVING;
    list_remove(&consumer->in_queue);
    queue->consumer_count--;
    if (!leaving)
        queue_consumer_lost(queue, why);
    consumer->state = CONSUMER_LEAVING; // it becomes EMPTY no more
    while (!list_empty(&consumer->jobs)) {
        struct job *job = list_entry(consumer->jobs.next, struct job, in_consumer);
        queue->ahead--; // those whose verb was sent have left with its answer
        consumer_drop(job);
        if (leaving && job->state == JOB_RETURNING)
            queue->events.settled(queue->events.context, job, QUEUE_DONE, NULL);
        else
            queue->events.lost(queue->events.context, job, leaving ? "its connection was closed" : why);
    }
    free(consumer);
}

struct consumer *consumer_new(struct queue *queue)
{
    struct consumer *consumer = mem_new(sizeof *consumer);
    const struct connection_events events = {consumer, on_open, on_closed};
    consumer->queue = queue;
    list_init(&consumer->jobs);
    list_insert(&queue->consumers, &consumer->in_queue);
    queue->consumer_count++;
    snprintf(consumer->used, sizeof consumer->used, "default");
    consumer->connection = connection_new(queue->loop, queue->options.server, &events);
    return consumer;
}
