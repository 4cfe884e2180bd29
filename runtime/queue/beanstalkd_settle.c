/* The verbs that settle a job, each on the connection of its reservation. */
#include "queue/beanstalkd_driver.h"

#include <assert.h>

/* What a server that is in step may say to a verb instead of doing it; BURIED when it could not release. */
static bool may_refuse(enum beanstalkd_reply_kind kind)
{
    return kind == REPLY_NOT_FOUND || kind == REPLY_BURIED || kind == REPLY_INTERNAL_ERROR ||
           kind == REPLY_OUT_OF_MEMORY;
}

static void finish(
    struct consumer *consumer, struct job *job, const struct beanstalkd_reply *reply, enum beanstalkd_reply_kind wanted)
{
    struct queue *queue = consumer->queue;
    enum queue_answer answer = QUEUE_REFUSED;
    if (!reply)
        answer = QUEUE_UNKNOWN;
    else if (reply->kind == wanted)
        answer = QUEUE_DONE;
    else if (reply->kind == REPLY_NOT_FOUND)
        answer = QUEUE_GONE;
    if (wanted != REPLY_DELETED && queue_storage_fault(reply))
        queue_storage_failed(queue, job, reply);
    consumer_drop(job);
    queue->events.settled(queue->events.context, job, answer, reply ? beanstalkd_reply_name(reply->kind) : NULL);
    if (reply && reply->kind != wanted && !may_refuse(reply->kind))
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
    job_free(job);
}

static void on_deleted(void *consumer, void *job, const struct beanstalkd_reply *reply)
{
    finish(consumer, job, reply, REPLY_DELETED);
}

static void on_buried(void *consumer, void *job, const struct beanstalkd_reply *reply)
{
    finish(consumer, job, reply, REPLY_BURIED);
}

static void on_released(void *consumer, void *job, const struct beanstalkd_reply *reply)
{
    finish(consumer, job, reply, REPLY_RELEASED);
}

/* The command was appended: counts it, and expects its answer. */
static void settle(struct job *job, connection_reply *callback)
{
    struct consumer *consumer = job->consumer;
    if (job->state != JOB_SETTLING)
        job_move(job, JOB_SETTLING);
    job->touch_at_ms = UINT64_MAX;
    job_hold(job);
    consumer->queue->ahead--;
    consumer->settled = true;
    if (job->runtime_ns)
        window_ran(&consumer->queue->window, job->runtime_ns);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, callback, job);
}

static struct buffer *out(struct job *job)
{
    assert(job->consumer);
    return connection_out(job->consumer->connection);
}

void queue_delete(struct queue *queue, struct job *job)
{
    (void)queue;
    beanstalkd_command_id(out(job), "delete", job->id);
    settle(job, on_deleted);
}

void queue_release(struct queue *queue, struct job *job, uint32_t delay_s)
{
    (void)queue;
    beanstalkd_release(out(job), job->id, job->stats->priority, delay_s);
    settle(job, on_released);
}

void queue_bury(struct queue *queue, struct job *job)
{
    (void)queue;
    beanstalkd_bury(out(job), job->id, job->stats->priority);
    settle(job, on_buried);
}

/* What else happens between the three commands of a retry shows in the answer to the last. */
static void on_retry_buried(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    if (queue_storage_fault(reply))
        queue_storage_failed(consumer->queue, argument, reply);
    job_free(argument);
}

static void on_retry_reserved(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    (void)context, (void)argument, (void)reply;
}

void queue_retry(struct queue *queue, struct job *job, uint32_t delay_s)
{
    struct connection *connection = job->consumer->connection;
    beanstalkd_bury(out(job), job->id, job->stats->priority);
    job_hold(job);
    connection_expect(connection, REPLY_LIMIT_MS, on_retry_buried, job);
    beanstalkd_command_id(out(job), "reserve-job", job->id);
    connection_expect(connection, REPLY_LIMIT_MS, on_retry_reserved, NULL);
    queue_release(queue, job, delay_s);
}
