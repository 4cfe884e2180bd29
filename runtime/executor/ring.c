/* Calls an executor between its jobs when it has asked for it: it then closes connections that are idle. */
#include "executor/child.h"

#include "log/log.h"

enum { ANSWER_MS = 5000 };

static void on_silence(uv_timer_t *timer);

static void await(struct executor *executor)
{
    executor->rung_ended = executor->ended;
    uv_timer_start(&executor->ring, on_silence, ANSWER_MS, 0);
}

/* It answers between two jobs: silence counts while it runs none. */
static void on_silence(uv_timer_t *timer)
{
    struct executor *executor = timer->data;
    uint64_t since_ns;
    if (executor_running(executor, &since_ns) || executor->ended != executor->rung_ended) {
        await(executor);
        return;
    }
    LOG(LEVEL_ERROR, "an executor is replaced: a connection did not close within {limit} s",
        F_NUMBER("limit", ANSWER_MS / 1000));
    executor_kill(executor, "a connection did not close");
}

static void on_due(uv_timer_t *timer)
{
    struct executor *executor = timer->data;
    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_RING);
    wire_end(&writer);
    executor_flush(executor);
    executor->rung = true;
    await(executor);
}

bool ring_wanted(struct executor *executor, uint32_t after_ms, bool answers)
{
    if (executor->state != EXECUTOR_READY || (answers && !executor->rung))
        return false;
    if (executor->rung && !answers)
        return true; // its answer is still to come, and says when next
    executor->rung = false;
    if (after_ms)
        uv_timer_start(&executor->ring, on_due, after_ms, 0);
    else
        uv_timer_stop(&executor->ring);
    return true;
}
