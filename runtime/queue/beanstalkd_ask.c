/* What is asked about a job while it is ours, on the connection of its reservation: statistics, touches, puts. */
#include "queue/beanstalkd_driver.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While the TTR is asked for, the next touch is due as for the shortest TTR there is. */
enum { TOUCH_UNKNOWN_MS = 333, FRESH_MS = 400, DOUBT_MS = 1000 };

static struct buffer *out(struct job *job)
{
    return connection_out(job->consumer->connection);
}

/* Whether the job is still ours, and no verb was sent for it, whose answer then tells. */
static bool ours(const struct job *job)
{
    return job->consumer && job->touch_at_ms != UINT64_MAX;
}

void consumer_lose(struct job *job, const char *why)
{
    if (!ours(job))
        return; // the answer to its verb tells
    struct queue *queue = job->consumer->queue;
    queue->ahead--;
    consumer_drop(job);
    if (job->state == JOB_SETTLING)
        queue->events.settled(queue->events.context, job, QUEUE_GONE, why);
    else
        queue->events.lost(queue->events.context, job, why);
}

/* An answer that does not fit the question: the stream is out of step. */
static void fail(struct consumer *consumer, const struct beanstalkd_reply *reply)
{
    connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
}

bool queue_holds(const struct job *job)
{
    return job->consumer && connection_stands(job->consumer->connection);
}

struct question {
    struct job *job;
    queue_asked *done;
    void *context;
};

static struct job_stats *read_stats(const struct beanstalkd_reply *reply)
{
    struct job_stats *stats = mem_new(sizeof *stats);
    size_t size = 0;
    const char *tube = beanstalkd_stat(reply->body, reply->size, "tube", &size);
    snprintf(stats->tube, sizeof stats->tube, "%.*s", (int)size, tube ? tube : "");
    stats->priority = (uint32_t)beanstalkd_stat_number(reply->body, reply->size, "pri", 1024);
    stats->ttr_s = (uint32_t)beanstalkd_stat_number(reply->body, reply->size, "ttr", 60);
    stats->age_s = beanstalkd_stat_number(reply->body, reply->size, "age", 0);
    stats->buries = beanstalkd_stat_number(reply->body, reply->size, "buries", 0);
    return stats;
}

static void on_stats(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct question question = *(struct question *)argument;
    struct job *job = question.job;
    free(argument);
    if (job->consumer && reply && reply->kind == REPLY_OK && !job->stats) {
        job->stats = read_stats(reply);
        job->tube = job->stats->tube;
    }
    question.done(question.context, job);
    if (reply && reply->kind == REPLY_NOT_FOUND)
        consumer_lose(job, "the server no longer has it"); // somebody deleted it under us
    else if (reply && reply->kind != REPLY_OK && reply->kind != REPLY_NOT_FOUND)
        fail(context, reply);
    job_free(job);
}

void queue_ask(struct queue *queue, struct job *job, queue_asked *done, void *context)
{
    (void)queue;
    if (job->stats) {
        done(context, job);
        return;
    }
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){job, done, context};
    job_hold(job);
    beanstalkd_command_id(out(job), "stats-job", job->id);
    connection_expect(job->consumer->connection, REPLY_LIMIT_MS, on_stats, question);
}

static void on_touched(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct job *job = argument;
    if (reply && reply->kind == REPLY_TOUCHED && ours(job))
        job->fresh_until_ms = job->touch_at_ms + FRESH_MS;
    else if (reply && reply->kind == REPLY_NOT_FOUND)
        consumer_lose(job, "its TTR ran out");
    else if (reply && reply->kind != REPLY_TOUCHED && reply->kind != REPLY_NOT_FOUND)
        fail(context, reply);
    job_free(job);
}

/* A third of the TTR from now. */
static void touch_again(const struct queue *queue, struct job *job)
{
    job->touch_at_ms = uv_now(queue->loop) + (job->stats ? job->stats->ttr_s * UINT64_C(1000) / 3 : TOUCH_UNKNOWN_MS);
}

void queue_touch(struct queue *queue, struct job *job)
{
    if (!ours(job))
        return;
    touch_again(queue, job);
    job_hold(job);
    beanstalkd_command_id(out(job), "touch", job->id);
    connection_expect(job->consumer->connection, REPLY_LIMIT_MS, on_touched, job);
}

void queue_touch_now(struct queue *queue, struct job *job)
{
    queue_touch(queue, job);
    if (job->consumer)
        connection_flush(job->consumer->connection);
}

static void on_known(void *context, struct job *job)
{
    if (ours(job) && job->stats)
        touch_again(context, job);
}

static void keep(struct queue *queue, struct consumer *consumer)
{
    uint64_t now = uv_now(queue->loop);
    for (struct list *place = consumer->jobs.next; place != &consumer->jobs; place = place->next) {
        struct job *job = list_entry(place, struct job, in_consumer);
        if (now < job->touch_at_ms)
            continue;
        if (!job->stats)
            queue_ask(queue, job, on_known, queue);
        queue_touch(queue, job);
    }
}

void queue_keep(struct queue *queue)
{
    for (struct list *link = queue->consumers.next; link != &queue->consumers; link = link->next)
        keep(queue, list_entry(link, struct consumer, in_queue));
}

void queue_doubt(struct queue *queue)
{
    queue->doubt_until_ms = uv_now(queue->loop) + DOUBT_MS;
    for (struct list *link = queue->consumers.next; link != &queue->consumers; link = link->next) {
        struct consumer *consumer = list_entry(link, struct consumer, in_queue);
        for (struct list *place = consumer->jobs.next; place != &consumer->jobs; place = place->next) {
            struct job *job = list_entry(place, struct job, in_consumer);
            if (job->state == JOB_HELD)
                job->touch_at_ms = job->fresh_until_ms = 0;
        }
    }
}

struct putting {
    queue_put_done *done;
    void *context;
};

static void on_put(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct putting putting = *(struct putting *)argument;
    char message[96];
    (void)context;
    free(argument);
    if (!reply) {
        putting.done(putting.context, 0, "the connection to beanstalkd went before it answered", "UNKNOWN");
    } else if (reply->kind == REPLY_INSERTED) {
        putting.done(putting.context, reply->number, NULL, NULL);
    } else {
        const char *code = beanstalkd_reply_name(reply->kind);
        snprintf(message, sizeof message, "beanstalkd refused the job: %s", code);
        putting.done(putting.context, 0, message, code);
    }
}

static void on_used(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    (void)argument;
    if (reply && reply->kind != REPLY_USING)
        fail(context, reply);
}

void consumer_use(struct consumer *consumer, const char *tube)
{
    if (strcmp(consumer->used, tube) == 0)
        return;
    buffer_printf(connection_out(consumer->connection), "use %s\r\n", tube);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, on_used, NULL);
    snprintf(consumer->used, sizeof consumer->used, "%s", tube);
}

/* Not sent: it would take the server's time, and the worker's, for nothing. */
static void refuse_size(const struct queue *queue, size_t size, queue_put_done *done, void *context)
{
    char message[160];
    snprintf(message, sizeof message, "its %zu bytes are more than the %llu that beanstalkd takes (max-job-size; -z)",
        size, (unsigned long long)queue->body_most);
    done(context, 0, message, beanstalkd_reply_name(REPLY_JOB_TOO_BIG));
}

void queue_put(struct queue *queue, struct job *job, const struct queue_put *put, queue_put_done *done, void *context)
{
    struct consumer *consumer = job->consumer;
    if (!consumer) {
        done(context, 0, "the connection to beanstalkd is gone", "NOT_CONNECTED");
        return;
    }
    if (put->size > queue->body_most) {
        refuse_size(queue, put->size, done, context);
        return;
    }
    consumer_use(consumer, put->tube);
    struct putting *putting = mem_new(sizeof *putting);
    *putting = (struct putting){done, context};
    beanstalkd_put(connection_out(consumer->connection), put->priority, put->delay_s, put->ttr_s, put->body, put->size);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, on_put, putting);
}
