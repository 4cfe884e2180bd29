/*
 * A server that cannot store: with its binlog's disk full, beanstalkd loses what is buried, or released with delay,
 * until its restart. Once it has said so, jobs go back with delay 0, which writes nothing, and none is reserved until
 * a probe, a put like any other, is stored. After a write error it switches its binlog off for good, and then takes all
 * as if nothing had been: only that it counts no more written records tells.
 */
#include "queue/beanstalkd_driver.h"

#include "log/log.h"

enum { PROBE_FIRST_MS = 1000, PROBE_EVERY_MS = 5000 };

static const char probe_tube[] = "lunastalk.probe", probe_body[] = "{}";

static void on_probe_timer(uv_timer_t *timer);

static void probe_later(struct queue *queue, unsigned delay_ms)
{
    if (queue->state != QUEUE_CLOSED)
        uv_timer_start(&queue->probe, on_probe_timer, delay_ms, 0);
}

static uint64_t written(const struct beanstalkd_reply *reply)
{
    bool known = reply && reply->kind == REPLY_OK;
    if (!known || !beanstalkd_stat_number(reply->body, reply->size, "binlog-current-index", 0))
        return UINT64_MAX;
    return beanstalkd_stat_number(reply->body, reply->size, "binlog-records-written", UINT64_MAX);
}

static void on_before_probe(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    (void)argument;
    consumer->queue->written = written(reply);
}

static void on_after_probe(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    const struct queue *queue = consumer->queue;
    (void)argument;
    if (queue->written != UINT64_MAX && written(reply) == queue->written)
        LOG(LEVEL_ALERT,
            "beanstalkd at {server} has switched its binlog off after a write error: until it is restarted it keeps "
            "jobs in memory only",
            F_TEXT("server", queue->options.server));
}

static void ask_stats(struct consumer *consumer, connection_reply *done)
{
    buffer_append_text(connection_out(consumer->connection), "stats\r\n");
    connection_expect(consumer->connection, REPLY_LIMIT_MS, done, NULL);
}

static void on_probe_deleted(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    (void)context, (void)argument, (void)reply; // what stays of it runs nowhere: nobody watches its tube
}

static void on_probe_put(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    struct queue *queue = consumer->queue;
    (void)argument;
    if (!reply || reply->kind != REPLY_INSERTED) {
        probe_later(queue, PROBE_EVERY_MS);
        return;
    }
    beanstalkd_command_id(connection_out(consumer->connection), "delete", reply->number);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, on_probe_deleted, NULL);
    ask_stats(consumer, on_after_probe);
    connection_flush(consumer->connection);
    queue->storing = true;
    LOG(LEVEL_NOTICE, "beanstalkd at {server} stores again: jobs are reserved",
        F_TEXT("server", queue->options.server));
}

static void probe(struct consumer *consumer)
{
    ask_stats(consumer, on_before_probe);
    consumer_use(consumer, probe_tube);
    beanstalkd_put(connection_out(consumer->connection), 0, 0, 1, probe_body, sizeof probe_body - 1);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, on_probe_put, NULL);
    connection_flush(consumer->connection);
}

static void on_probe_timer(uv_timer_t *timer)
{
    struct queue *queue = timer->data;
    for (struct list *link = queue->consumers.next; link != &queue->consumers; link = link->next) {
        struct consumer *consumer = list_entry(link, struct consumer, in_queue);
        if (consumer->state == CONSUMER_EMPTY || consumer->state == CONSUMER_HOLDING) {
            probe(consumer);
            return;
        }
    }
    if (list_empty(&queue->consumers) && queue->limit && !uv_is_active((uv_handle_t *)&queue->retry))
        consumer_new(queue);
    probe_later(queue, PROBE_FIRST_MS);
}

bool queue_stores(const struct queue *queue)
{
    return queue->storing;
}

bool queue_storage_fault(const struct beanstalkd_reply *reply)
{
    return reply && (reply->kind == REPLY_INTERNAL_ERROR || reply->kind == REPLY_OUT_OF_MEMORY);
}

/* What waits would be given a job. */
static void stop_reserving(struct queue *queue)
{
    queue->storing = false;
    for (struct list *link = queue->consumers.next, *after; link != &queue->consumers; link = after) {
        struct consumer *consumer = list_entry(link, struct consumer, in_queue);
        after = link->next;
        if (consumer->state == CONSUMER_WAITING)
            consumer_leave(consumer);
    }
    probe_later(queue, PROBE_FIRST_MS);
}

void queue_storage_failed(struct queue *queue, const struct job *job, const struct beanstalkd_reply *reply)
{
    if (queue->storing)
        stop_reserving(queue); // before it is said, as who reads it may act on it
    LOG(LEVEL_CRITICAL,
        "beanstalkd at {server} cannot store (disk full?): it answered {answer} for job {id}, which it has lost until "
        "its restart; no job is reserved until it can",
        F_TEXT("server", queue->options.server), F_TEXT("answer", beanstalkd_reply_name(reply->kind)),
        F_NUMBER("id", job->id));
}
