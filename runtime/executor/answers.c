/* What an executor is told of what it asked. */
#include "executor/child.h"

#include <stdio.h>

static struct wire_writer answer(struct executor *executor, uint32_t request, const char *message)
{
    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_REPLY);
    wire_put_u32(&writer, request);
    wire_put_u8(&writer, !message);
    return writer;
}

void executor_answer_output(struct executor *executor, uint32_t request)
{
    struct wire_writer writer = answer(executor, request, NULL);
    wire_end(&writer);
}

void executor_answer_put(
    struct executor *executor, uint32_t request, uint64_t id, const char *message, const char *code)
{
    char text[24];
    struct wire_writer writer = answer(executor, request, message);
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    wire_put_text(&writer, message ? message : text);
    if (message)
        wire_put_text(&writer, code);
    wire_end(&writer);
}

void executor_answer_stats(
    struct executor *executor, uint32_t request, const char *tube, unsigned attempt, const char *message)
{
    struct wire_writer writer = answer(executor, request, message);
    wire_put_text(&writer, message ? message : tube);
    if (message)
        wire_put_text(&writer, "UNAVAILABLE");
    else
        wire_put_u32(&writer, attempt);
    wire_end(&writer);
}

void executor_answer_once(struct executor *executor, uint32_t request, bool first, const char *message)
{
    struct wire_writer writer = answer(executor, request, message);
    if (message) {
        wire_put_text(&writer, message);
        wire_put_text(&writer, "UNAVAILABLE");
    } else {
        wire_put_u8(&writer, first);
    }
    wire_end(&writer);
}
