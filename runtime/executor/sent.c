/* The jobs of an executor, from executor_send() to the end that the board tells. */
#include "executor/child.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct job *executor_job_at(const struct list *link)
{
    return list_entry(link, struct job, place);
}

enum board_state executor_state_of(const struct executor *executor, const struct job *job)
{
    enum board_state state = board_read(executor->board, job->slot, job->sequence);
    // One that was seen running is recalled by nobody.
    return state == BOARD_RECALLED && job->state == JOB_RUNNING ? BOARD_CORRUPT : state;
}

unsigned executor_load(const struct executor *executor)
{
    return executor->load;
}

struct job *executor_find(struct executor *executor, uint64_t sequence)
{
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next) {
        struct job *job = executor_job_at(link);
        if (job->sequence == sequence)
            return executor_state_of(executor, job) == BOARD_SENT ? NULL : job;
    }
    return NULL;
}

bool executor_runs(const struct executor *executor, const struct job *job)
{
    uint64_t since_ns;
    return executor_running(executor, &since_ns) == job;
}

struct job *executor_running(const struct executor *executor, uint64_t *since_ns)
{
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next) {
        struct job *job = executor_job_at(link);
        if (executor_state_of(executor, job) != BOARD_RUNNING)
            continue;
        *since_ns = executor->board->slots[job->slot].started_ns;
        return job;
    }
    return NULL;
}

bool executor_busy(const struct executor *executor, uint64_t limit_ns)
{
    if (list_empty(&executor->sent))
        return false;
    const struct job *first = executor_job_at(executor->sent.next);
    return executor_state_of(executor, first) == BOARD_RUNNING &&
           clock_ns() > executor->board->slots[first->slot].started_ns + limit_ns;
}

static unsigned free_slot(struct executor *executor)
{
    assert(executor->load < BOARD_SLOTS);
    while (executor->used[executor->next_slot])
        executor->next_slot = (executor->next_slot + 1) % BOARD_SLOTS;
    return executor->next_slot;
}

void executor_send(struct executor *executor, struct job *job)
{
    char id[24];
    job_move(job, JOB_SENT);
    job->slot = free_slot(executor);
    job->sequence = ++*executor->sequences;
    executor->used[job->slot] = true;
    executor->next_slot = (job->slot + 1) % BOARD_SLOTS;
    executor->load++;
    list_remove(&job->place);
    list_insert(&executor->sent, &job->place);
    board_post(executor->board, job->slot, job->sequence);

    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_JOB);
    wire_put_u64(&writer, job->sequence);
    wire_put_u32(&writer, job->slot);
    wire_put_u64(&writer, job->fresh_until_ms * UINT64_C(1000000));
    wire_put_text(&writer, job->server);
    wire_put_bytes(&writer, id, (size_t)snprintf(id, sizeof id, "%llu", (unsigned long long)job->id));
    wire_put_text(&writer, job->envelope.name);
    wire_put_text(&writer, job->tube ? job->tube : "");
    wire_put_bytes(&writer, job->body, job->size);
    wire_end(&writer);
}

static void take_off(struct executor *executor, struct job *job)
{
    list_remove(&job->place);
    executor->load--;
    executor->used[job->slot] = false;
}

static void give_ended(struct executor *executor, struct job *job)
{
    const struct board_slot *slot = &executor->board->slots[job->slot];
    job->runtime_ns = slot->ended_ns > slot->started_ns ? slot->ended_ns - slot->started_ns : 1;
    job->peak = slot->peak;
    take_off(executor, job);
    executor->ended++;
    executor->events.worked(executor->events.context, executor);
    executor->events.jobs->ended(executor->events.jobs->context, job);
}

static void give_unstarted(struct executor *executor, struct job *job)
{
    take_off(executor, job);
    if (job->state != JOB_LOST)
        job_move(job, JOB_HELD);
    executor->events.jobs->unstarted(executor->events.jobs->context, job);
}

/* The sequence of the last job that the executor is done with; 0: none. Those that have begun are RUNNING from here on. */
static uint64_t last_done(struct executor *executor)
{
    uint64_t last = 0;
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next) {
        struct job *job = executor_job_at(link);
        switch (executor_state_of(executor, job)) {
        case BOARD_SENT: return last; // and so is all behind it
        case BOARD_RUNNING:
            if (job->state == JOB_SENT)
                job_move(job, JOB_RUNNING);
            break;
        case BOARD_RECALLED: // by the executor: it came too late
        case BOARD_SUCCEEDED:
        case BOARD_FAILED: last = job->sequence; break;
        case BOARD_FREE:
        case BOARD_CORRUPT: executor_break(executor, "it overwrote the board (fd 4)"); return 0;
        }
    }
    return last;
}

/* Those up to `last` that it is done with, into the empty list `done`: whoever gets one may recall others. */
static void collect_done(struct executor *executor, uint64_t last, struct list *done)
{
    for (struct list *link = executor->sent.next, *after; link != &executor->sent; link = after) {
        struct job *job = executor_job_at(link);
        enum board_state state = executor_state_of(executor, job);
        after = link->next;
        if (job->sequence > last)
            return;
        if (state == BOARD_SUCCEEDED || state == BOARD_RECALLED || (state == BOARD_FAILED && job->outcome)) {
            list_remove(link);
            list_insert(done, link);
        } else if (state == BOARD_FAILED) {
            executor_break(executor, "it did not tell how a job failed: something else wrote to the wire (fd 3)");
            return;
        }
    }
}

static void give_done(struct executor *executor, struct list *done)
{
    while (!list_empty(done)) {
        struct job *job = executor_job_at(done->next);
        if (executor_state_of(executor, job) == BOARD_RECALLED)
            give_unstarted(executor, job);
        else
            give_ended(executor, job);
    }
}

void executor_harvest(struct executor *executor)
{
    // Until nothing more has ended: the bell of a job that ends meanwhile is read with what was said before it.
    for (uint64_t last; !executor->broken && (last = last_done(executor));) {
        struct list done;
        list_init(&done);
        executor_drain_wire(executor); // all that they said was sent before the board told their end
        if (!executor->broken)
            collect_done(executor, last, &done);
        give_done(executor, &done);
    }
}

static void recall_behind(struct executor *executor, struct list *place)
{
    // From the end, so that each goes before the one behind it where the receiver puts them.
    for (struct list *link = executor->sent.prev, *before; link != place; link = before) {
        struct job *job = executor_job_at(link);
        before = link->prev;
        if (board_recall(executor->board, job->slot, job->sequence))
            give_unstarted(executor, job);
    }
}

void executor_recall(struct executor *executor)
{
    recall_behind(executor, &executor->sent);
}

void executor_recall_behind(struct executor *executor, struct job *running)
{
    recall_behind(executor, &running->place);
}

static void fail(struct executor *executor, struct job *job, const char *why)
{
    const char *recent = frames_recent(executor, job);
    job_set_outcome(job, POLICY_FAILED, 0, why, strlen(why), recent, strlen(recent));
}

void executor_give_all_back(struct executor *executor, const char *why)
{
    executor_recall(executor);
    while (!list_empty(&executor->sent)) {
        struct job *job = executor_job_at(executor->sent.next);
        enum board_state state = executor_state_of(executor, job);
        if (state == BOARD_RECALLED) {
            give_unstarted(executor, job);
            continue;
        }
        if (state != BOARD_SUCCEEDED)
            fail(executor, job, why);
        if (state == BOARD_RUNNING || state == BOARD_CORRUPT)
            executor->board->slots[job->slot].ended_ns = clock_ns();
        give_ended(executor, job);
    }
}
