/* The verbs and questions about reserved jobs, each on the connection of its reservation. */
#include "queue/beanstalkd_driver.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    consumer_drop(job);
    queue->events.settled(queue->events.context, job, answer, reply ? beanstalkd_reply_name(reply->kind) : NULL);
    if (reply && reply->kind != wanted && !may_refuse(reply->kind))
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
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
    consumer->queue->ahead--;
    consumer->settled = true;
    job->answers++;
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

void queue_bury(struct queue *queue, struct job *job)
{
    (void)queue;
    beanstalkd_bury(out(job), job->id, job->stats->priority);
    settle(job, on_buried);
}

void queue_release(struct queue *queue, struct job *job, uint32_t delay_s)
{
    (void)queue;
    beanstalkd_release(out(job), job->id, job->stats->priority, delay_s);
    settle(job, on_released);
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
    stats->age_s = beanstalkd_stat_number(reply->body, reply->size, "age", 0);
    stats->buries = beanstalkd_stat_number(reply->body, reply->size, "buries", 0);
    return stats;
}

static void on_stats(void *context, void *argument, const struct beanstalkd_reply *reply)
{
    struct consumer *consumer = context;
    struct question question = *(struct question *)argument;
    struct job *job = question.job;
    free(argument);
    job->answers--;
    if (reply && reply->kind == REPLY_OK && !job->stats) {
        job->stats = read_stats(reply);
        job->tube = job->stats->tube;
    }
    question.done(question.context, job);
    if (!reply || reply->kind == REPLY_OK)
        return;
    if (reply->kind != REPLY_NOT_FOUND) {
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
        return;
    }
    if (job->answers)
        return; // the last one tells
    // Somebody deleted it under us: there is nothing left to settle.
    struct queue *queue = consumer->queue;
    queue->ahead--;
    consumer_drop(job);
    if (job->state == JOB_SETTLING)
        queue->events.settled(queue->events.context, job, QUEUE_GONE, beanstalkd_reply_name(reply->kind));
    else
        queue->events.lost(queue->events.context, job, "the server no longer has it");
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
    job->answers++;
    beanstalkd_command_id(out(job), "stats-job", job->id);
    connection_expect(job->consumer->connection, REPLY_LIMIT_MS, on_stats, question);
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
    struct consumer *consumer = context;
    (void)argument;
    if (reply && reply->kind != REPLY_USING)
        connection_close(consumer->connection, beanstalkd_reply_name(reply->kind));
}

void queue_put(struct queue *queue, struct job *job, const struct queue_put *put, queue_put_done *done, void *context)
{
    struct consumer *consumer = job->consumer;
    (void)queue;
    if (!consumer) {
        done(context, 0, "the connection to beanstalkd is gone", "NOT_CONNECTED");
        return;
    }
    if (strcmp(consumer->used, put->tube) != 0) {
        buffer_printf(out(job), "use %s\r\n", put->tube);
        connection_expect(consumer->connection, REPLY_LIMIT_MS, on_used, NULL);
        snprintf(consumer->used, sizeof consumer->used, "%s", put->tube);
    }
    struct putting *putting = mem_new(sizeof *putting);
    *putting = (struct putting){done, context};
    beanstalkd_put(out(job), put->priority, put->delay_s, put->ttr_s, put->body, put->size);
    connection_expect(consumer->connection, REPLY_LIMIT_MS, on_put, putting);
}
