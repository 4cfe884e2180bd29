/* What a handler asks for while it runs: answered by the queue, over the connection of its job's reservation. */
#include "worker/wiring.h"

#include "base/memory.h"
#include "worker/status.h"

#include <stdlib.h>
#include <string.h>

/* Who asked. The executor may be gone when the answer comes. */
struct asker {
    struct worker *worker;
    uint64_t executor;
    uint32_t request;
};

static struct asker *remember(struct worker *worker, uint64_t executor, uint32_t request)
{
    struct asker *asker = mem_new(sizeof *asker);
    *asker = (struct asker){worker, executor, request};
    return asker;
}

/* NULL: it is gone. What Redis is asked may be answered when all are. */
static struct executor *find(const struct asker *asker)
{
    struct pool *pool = asker->worker->pool;
    return pool ? pool_find(pool, asker->executor) : NULL;
}

static void on_put(void *context, uint64_t id, const char *message, const char *code)
{
    struct asker asker = *(struct asker *)context;
    struct executor *executor = find(&asker);
    free(context);
    if (executor)
        executor_answer_put(executor, asker.request, id, message, code);
}

void requests_put(void *context, uint64_t id, struct job *job, const struct executor_put *put)
{
    struct worker *worker = context;
    struct asker *asker = remember(worker, id, put->request);
    if (!job) {
        on_put(asker, 0, "jobs can only be put while a job runs", "NOT_CONNECTED");
    } else if (!queue_tube_valid(put->tube, put->tube_size)) {
        on_put(asker, 0, "this is no tube name: 1 to 200 of A-Z a-z 0-9 - + / ; . $ _ ( ), not beginning with -",
            "BAD_FORMAT");
    } else {
        char *tube = mem_copy(put->tube, put->tube_size);
        const struct queue_put wanted = {tube, put->priority, put->delay_s, put->ttr_s, put->body, put->size};
        queue_put(worker->queue, job, &wanted, on_put, asker);
        free(tube);
    }
}

static void on_asked(void *context, struct job *job)
{
    struct asker asker = *(struct asker *)context;
    struct executor *executor = find(&asker);
    free(context);
    if (!executor)
        return;
    if (job->stats)
        executor_answer_stats(
            executor, asker.request, job->stats->tube, policy_attempt(job->stats->buries, job->retry.max), NULL);
    else
        executor_answer_stats(executor, asker.request, NULL, 0, "the reservation of the job is lost");
}

void requests_asked(void *context, uint64_t id, struct job *job, uint32_t request)
{
    struct worker *worker = context;
    struct asker *asker = remember(worker, id, request);
    if (job->consumer)
        queue_ask(worker->queue, job, on_asked, asker);
    else
        on_asked(asker, job);
}

void requests_progressed(void *context, struct job *job, const char *json, size_t size)
{
    (void)context;
    free(job->progress);
    job->progress = mem_copy(json, size);
}

static void on_once(void *context, bool first, const char *problem)
{
    struct asker asker = *(struct asker *)context;
    struct executor *executor = find(&asker);
    free(context);
    if (executor)
        executor_answer_once(executor, asker.request, first, problem);
}

void requests_once(
    void *context, uint64_t id, struct job *job, uint32_t request, const char *key, size_t size, uint32_t ttl_s)
{
    struct worker *worker = context;
    struct asker *asker = remember(worker, id, request);
    char *name = mem_copy(key, size);
    if (job->consumer)
        status_once(worker->status, job, name, ttl_s, on_once, asker);
    else
        on_once(asker, false, "the reservation of the job is lost"); // it runs again, and is to be the first
    free(name);
}
