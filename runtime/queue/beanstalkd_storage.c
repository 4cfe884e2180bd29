/*
 * A server that cannot store: with its binlog's disk full, beanstalkd loses what is buried, or released with delay,
 * until its restart. Once it has said so, jobs go back with delay 0, which writes nothing, and none is reserved until
 * a probe, a put like any other, is stored.
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
    connection_flush(consumer->connection);
    queue->storing = true;
    LOG(LEVEL_NOTICE, "beanstalkd at {server} stores again: jobs are reserved",
        F_TEXT("server", queue->options.server));
}

static void probe(struct consumer *consumer)
{
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
