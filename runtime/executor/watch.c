/* What is looked at while jobs run: how long, how much memory; and how one is stopped. */
#include "executor/child.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { SLACK_BYTES = 16 << 20, MS = 1000 * 1000, MEMORY_EVERY_NS = 200 * MS, STATM_PAGES = 2 };

/* The ladder of a stop: what is done how long after its beginning. The executor is replaced after any of it. */
enum { SOFT_STOP, KILL, STEPS };
static const uint64_t ladder_ns[STEPS] = {[SOFT_STOP] = 0, [KILL] = UINT64_C(1000) * MS};

static void describe(struct executor *executor, char *text, size_t room)
{
    const struct board_stop *stop = &executor->board->stop;
    if (stop->why == BOARD_LOST)
        snprintf(text, room, "its reservation was lost");
    else if (stop->why == BOARD_CANCELLED)
        snprintf(text, room, "cancelled");
    else
        snprintf(text, room, "timed out after %g s", stop->limit_ms / 1000.0);
}

/* Takes the steps that are due. */
static void climb(struct executor *executor, uint64_t now_ns)
{
    char why[sizeof executor->fault];
    while (executor->step < STEPS && now_ns >= executor->stop_ns + ladder_ns[executor->step]) {
        switch (executor->step++) {
        case SOFT_STOP: kill(executor->process.pid, SIGTERM); break;
        case KILL:
            describe(executor, why, sizeof why);
            executor_kill(executor, why);
            break;
        }
    }
}

bool executor_stop_job(struct executor *executor, struct job *job, enum board_why why, uint64_t limit_ms)
{
    if (executor->stop_sequence)
        return false;
    executor_recall_behind(executor, job);
    executor_stop(executor);
    executor->stop_sequence = job->sequence;
    executor->step = SOFT_STOP;
    executor->stop_ns = clock_ns();
    executor->board->stop.why = why;
    executor->board->stop.limit_ms = (uint32_t)limit_ms;
    atomic_store(&executor->board->stop.sequence, job->sequence);
    climb(executor, executor->stop_ns);
    return true;
}

/* The job's time is over: its reservation is renewed before the signal, so that settling has a whole TTR. */
static void check_time(struct executor *executor, struct job *job, uint64_t now_ns)
{
    const struct board_slot *slot = &executor->board->slots[job->slot];
    uint64_t limit_ms = job_limit_ms(job), from_ns = slot->started_ns;
    if (job->touched_ns > from_ns)
        from_ns = job->touched_ns;
    if (slot->ended_ns >= slot->started_ns)
        return; // its handler is done, the executor cleans up behind it
    if (!limit_ms || now_ns < from_ns + limit_ms * MS || job->state == JOB_LOST)
        return;
    executor->events.jobs->timed_out(executor->events.jobs->context, job);
    executor_stop_job(executor, job, BOARD_TIMED_OUT, limit_ms);
}

uint64_t executor_memory(const struct executor *executor)
{
    char path[64];
    unsigned long long pages[STATM_PAGES] = {0};
    snprintf(path, sizeof path, "/proc/%d/statm", executor->process.pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &pages[0], &pages[1]) != STATM_PAGES)
        pages[1] = 0;
    fclose(file);
    return pages[1] * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Lua's own memory is refused by the executor; what libraries take shows here only. */
static void check_memory(struct executor *executor, uint64_t now_ns)
{
    uint64_t limit = executor->options.memory;
    if (!limit || now_ns < executor->memory_ns + MEMORY_EVERY_NS)
        return;
    executor->memory_ns = now_ns;
    // Beside what Lua counts, which it refuses itself, and with a clean error.
    if (executor_memory(executor) > limit + limit / 4 + SLACK_BYTES) {
        char why[sizeof executor->fault];
        snprintf(why, sizeof why, "memory limit of %llu MB", (unsigned long long)(limit >> 20));
        executor_kill(executor, why);
    }
}

/* It has nothing more to do but to exit: a finaliser of the handlers can keep it from that. */
static void check_leaving(struct executor *executor, uint64_t now_ns)
{
    if (!executor->leaving_ns)
        executor->leaving_ns = now_ns;
    if (now_ns >= executor->leaving_ns + ladder_ns[KILL])
        executor_kill(executor, "it did not exit when it was told to");
}

void executor_watch(struct executor *executor, uint64_t now_ns, uint64_t long_ns)
{
    executor_harvest(executor);
    if (executor->state != EXECUTOR_READY)
        return;
    uint64_t since_ns;
    struct job *job = executor_running(executor, &since_ns);
    if (executor->stop_sequence && (!job || job->sequence == executor->stop_sequence || *executor->fault))
        climb(executor, now_ns);
    if (executor->stopping && !executor->load)
        check_leaving(executor, now_ns);
    if (!job || *executor->fault)
        return;
    if (executor->load > 1 && now_ns > executor->board->slots[job->slot].started_ns + long_ns)
        executor_recall_behind(executor, job);
    check_time(executor, job, now_ns);
    check_memory(executor, now_ns);
}
