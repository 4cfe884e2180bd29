/* What an executor says, frame by frame. A frame that does not fit ends the executor, never the runtime. */
#include "executor/child.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "job/fields.h"
#include "log/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLERS_MOST = 10000, FIELDS_MOST = 64, PROGRESS_DEEPEST = 64, RECENT_MOST = 2048, LINE_MOST = 500 };

static const char *const malformed = "it wrote a malformed frame to the wire (fd 3)";

static void on_hello(struct executor *executor, struct wire_frame *frame)
{
    uint32_t version = wire_get_u32(frame);
    if (!wire_complete(frame)) {
        executor_break(executor, malformed);
    } else if (version != WIRE_VERSION) {
        executor_break(executor, "runtime and executor are of different builds");
        executor->events.outdated(executor->events.context, executor);
    }
}

static void on_handler(struct executor *executor, struct wire_frame *frame)
{
    size_t size;
    const char *name = wire_get_bytes(frame, &size);
    struct handler handler = {.timeout_ms = wire_get_u32(frame)};
    handler.retry_max = wire_get_u32(frame);
    handler.retry_delay_s = wire_get_u32(frame);
    if (!wire_complete(frame) || executor->state != EXECUTOR_LOADING || executor->handlers.count == HANDLERS_MOST)
        executor_break(executor, malformed);
    else
        handlers_add(&executor->handlers, name, size, &handler);
}

static void on_ready(struct executor *executor, struct wire_frame *frame)
{
    if (!wire_complete(frame) || executor->state != EXECUTOR_LOADING) {
        executor_break(executor, malformed);
        return;
    }
    struct handlers handlers = executor->handlers;
    executor->state = EXECUTOR_READY;
    executor->handlers = (struct handlers){0};
    uv_timer_stop(&executor->limit);
    executor->events.ready(executor->events.context, executor, &handlers);
}

static void on_refused(struct executor *executor, struct wire_frame *frame)
{
    size_t size;
    const char *text = wire_get_bytes(frame, &size);
    if (!wire_complete(frame) || executor->state != EXECUTOR_LOADING) {
        executor_break(executor, malformed);
        return;
    }
    char *why = mem_copy(text, size);
    executor->events.refused(executor->events.context, executor, why);
    free(why);
}

static bool read_kind(uint8_t wire_kind, enum policy_outcome *kind)
{
    static const enum policy_outcome kinds[OUTCOME_KINDS] = {
        [OUTCOME_FAILED] = POLICY_FAILED,
        [OUTCOME_RELEASED] = POLICY_RELEASED,
        [OUTCOME_BURIED] = POLICY_BURIED,
        [OUTCOME_UNAVAILABLE] = POLICY_UNAVAILABLE,
    };
    if (wire_kind == OUTCOME_SUCCEEDED || wire_kind >= OUTCOME_KINDS)
        return false;
    *kind = kinds[wire_kind];
    return true;
}

static void on_outcome(struct executor *executor, struct wire_frame *frame)
{
    size_t reason_size, traceback_size;
    enum policy_outcome kind;
    struct job *job = executor_find(executor, wire_get_u64(frame));
    uint8_t wire_kind = wire_get_u8(frame);
    uint32_t delay_s = wire_get_u32(frame);
    const char *reason = wire_get_bytes(frame, &reason_size);
    const char *traceback = wire_get_bytes(frame, &traceback_size);
    if (!wire_complete(frame) || !job || !read_kind(wire_kind, &kind))
        executor_break(executor, malformed);
    else
        job_set_outcome(job, kind, delay_s, reason, reason_size, traceback, traceback_size);
}

/* The fields of a LOG frame; their keys are copied into `keys`, one after the other, NUL-terminated. */
static size_t read_fields(struct wire_frame *frame, struct log_field *fields, struct buffer *keys)
{
    uint32_t count = wire_get_u32(frame);
    size_t offsets[FIELDS_MOST] = {0};
    if (count > FIELDS_MOST)
        frame->broken = true;
    for (uint32_t i = 0; i < count && !frame->broken; i++) {
        size_t size;
        const char *key = wire_get_bytes(frame, &size);
        offsets[i] = buffer_size(keys);
        buffer_append(keys, key, size);
        buffer_append(keys, "", 1);
        fields[i] = (struct log_field){.kind = wire_get_u8(frame) == WIRE_LITERAL ? LOG_LITERAL : LOG_TEXT};
        fields[i].text = wire_get_bytes(frame, &fields[i].size);
    }
    for (uint32_t i = 0; i < count && !frame->broken; i++)
        fields[i].key = buffer_data(keys) + offsets[i];
    return frame->broken ? 0 : count;
}

/* Keeps the job's last words, RECENT_MOST bytes of them. */
static void remember(struct executor *executor, const struct job *job, const char *text, size_t size)
{
    struct buffer *recent = &executor->recent;
    if (!job)
        return;
    if (executor->recent_sequence != job->sequence)
        buffer_consume(recent, buffer_size(recent));
    executor->recent_sequence = job->sequence;
    buffer_append(recent, "\n\t", 2);
    buffer_append(recent, text, utf8_cut(text, size, LINE_MOST));
    while (buffer_size(recent) > RECENT_MOST) {
        const char *next = memchr(buffer_data(recent) + 1, '\n', buffer_size(recent) - 1);
        buffer_consume(recent, next ? (size_t)(next - buffer_data(recent)) : buffer_size(recent));
    }
}

static void remember_record(
    struct executor *executor, const struct job *job, const char *message, size_t size, const struct log_field *fields)
{
    struct buffer text = {0};
    format_message(&text, message, size, fields, ESCAPE_LINE);
    remember(executor, job, buffer_data(&text), buffer_size(&text));
    buffer_free(&text);
}

const char *frames_recent(struct executor *executor, const struct job *job)
{
    struct buffer text = {0};
    if (executor->recent_sequence != job->sequence || !buffer_size(&executor->recent))
        return "";
    buffer_append_text(&text, "last records:");
    buffer_append(&text, buffer_data(&executor->recent), buffer_size(&executor->recent));
    buffer_free(&executor->recent);
    executor->recent = text;
    return buffer_text(&executor->recent);
}

static void on_log(struct executor *executor, struct wire_frame *frame)
{
    struct log_field fields[FIELDS_MOST + JOB_FIELDS_MOST + 1] = {{0}};
    struct buffer keys = {0};
    char name[ENVELOPE_NAME_LONGEST + 1];
    size_t channel_size, message_size;
    struct job *job = executor_find(executor, wire_get_u64(frame));
    uint8_t level = wire_get_u8(frame);
    const char *channel = wire_get_bytes(frame, &channel_size);
    const char *message = wire_get_bytes(frame, &message_size);
    size_t count = read_fields(frame, fields, &keys);
    if (!wire_complete(frame) || level >= LEVEL_COUNT || channel_size >= sizeof name) {
        executor_break(executor, malformed);
    } else {
        snprintf(name, sizeof name, "%.*s", (int)channel_size, channel);
        if (job)
            job_fields(job, fields + count);
        remember_record(executor, job, message, message_size, fields);
        log_write((enum level)level, *name ? name : job ? job->envelope.name : "jobs", message, message_size, fields);
    }
    buffer_free(&keys);
}

static void on_put(struct executor *executor, struct wire_frame *frame)
{
    struct executor_put put = {.request = wire_get_u32(frame)};
    struct job *job = executor_find(executor, wire_get_u64(frame));
    put.tube = wire_get_bytes(frame, &put.tube_size);
    put.priority = wire_get_u32(frame);
    put.delay_s = wire_get_u32(frame);
    put.ttr_s = wire_get_u32(frame);
    put.body = wire_get_bytes(frame, &put.size);
    if (!wire_complete(frame))
        executor_break(executor, malformed);
    else
        executor->events.jobs->put(executor->events.jobs->context, executor->id, job, &put);
}

static void on_stats(struct executor *executor, struct wire_frame *frame)
{
    uint32_t request = wire_get_u32(frame);
    struct job *job = executor_find(executor, wire_get_u64(frame));
    if (!wire_complete(frame) || !job)
        executor_break(executor, malformed);
    else
        executor->events.jobs->asked(executor->events.jobs->context, executor->id, job, request);
}

/* All that the job has printed is in the pipes: reads it before the executor goes on to the next. */
static void on_output(struct executor *executor, struct wire_frame *frame)
{
    uint32_t request = wire_get_u32(frame);
    wire_get_u64(frame); // the job that runs: frames of a job come while it runs
    if (!wire_complete(frame)) {
        executor_break(executor, malformed);
        return;
    }
    output_drain(&executor->out);
    output_drain(&executor->err);
    executor_answer_output(executor, request);
}

static void on_touch(struct executor *executor, struct wire_frame *frame)
{
    struct job *job = executor_find(executor, wire_get_u64(frame));
    if (!wire_complete(frame) || !job) {
        executor_break(executor, malformed);
        return;
    }
    job->touched_ns = clock_ns();
    executor->events.jobs->touched(executor->events.jobs->context, job);
}

static bool is_json(const char *text, size_t size)
{
    struct error why;
    struct json *json = json_parse(text, size, PROGRESS_DEEPEST, &why);
    json_free(json);
    return json;
}

static void on_progress(struct executor *executor, struct wire_frame *frame)
{
    size_t size;
    struct job *job = executor_find(executor, wire_get_u64(frame));
    const char *text = wire_get_bytes(frame, &size);
    if (!wire_complete(frame) || !job || size > WIRE_PROGRESS_MOST || !is_json(text, size))
        executor_break(executor, malformed);
    else
        executor->events.jobs->progressed(executor->events.jobs->context, job, text, size);
}

static bool is_key(const char *key, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)key[i] < ' ' || key[i] == '\177')
            return false;
    return size && size <= WIRE_KEY_MOST;
}

static void on_once(struct executor *executor, struct wire_frame *frame)
{
    size_t size;
    uint32_t request = wire_get_u32(frame);
    struct job *job = executor_find(executor, wire_get_u64(frame));
    const char *key = wire_get_bytes(frame, &size);
    uint32_t ttl_s = wire_get_u32(frame);
    if (!wire_complete(frame) || !job || !is_key(key, size) || !ttl_s)
        executor_break(executor, malformed);
    else
        executor->events.jobs->once(executor->events.jobs->context, executor->id, job, request, key, size, ttl_s);
}

static void on_idle(struct executor *executor, struct wire_frame *frame)
{
    uint32_t after_ms = wire_get_u32(frame);
    uint8_t answers = wire_get_u8(frame);
    if (!wire_complete(frame) || answers > 1 || !ring_wanted(executor, after_ms, answers))
        executor_break(executor, malformed);
}

static void on_frame(struct executor *executor, struct wire_frame *frame)
{
    switch (frame->type) {
    case WIRE_BELL: break; // whoever reads frames looks at the board afterwards
    case WIRE_OUTCOME: on_outcome(executor, frame); break;
    case WIRE_LOG: on_log(executor, frame); break;
    case WIRE_PUT: on_put(executor, frame); break;
    case WIRE_STATS: on_stats(executor, frame); break;
    case WIRE_OUTPUT: on_output(executor, frame); break;
    case WIRE_TOUCH: on_touch(executor, frame); break;
    case WIRE_PROGRESS: on_progress(executor, frame); break;
    case WIRE_ONCE: on_once(executor, frame); break;
    case WIRE_IDLE: on_idle(executor, frame); break;
    case WIRE_HELLO: on_hello(executor, frame); break;
    case WIRE_HANDLER: on_handler(executor, frame); break;
    case WIRE_READY: on_ready(executor, frame); break;
    case WIRE_REFUSED: on_refused(executor, frame); break;
    default: executor_break(executor, malformed);
    }
}

void frames_read(struct executor *executor)
{
    struct wire_frame frame;
    int found = 0;
    while (
        !executor->broken && (found = wire_next(&frame, buffer_data(&executor->in), buffer_size(&executor->in))) > 0) {
        on_frame(executor, &frame);
        buffer_consume(&executor->in, frame.whole);
    }
    if (found < 0)
        executor_break(executor, malformed);
}

/* Before the bytes are read: while they are in the pipe, the job that printed them cannot end (host.c). */
void frames_reading(void *owner)
{
    struct executor *executor = owner;
    uint64_t since_ns;
    const struct job *job = executor_running(executor, &since_ns);
    executor->printing = job ? job->sequence : 0;
}

void frames_printed(void *owner, struct output *output, const char *line, size_t size)
{
    struct executor *executor = owner;
    struct job *job = executor_find(executor, executor->printing);
    struct log_field fields[2 + JOB_FIELDS_MOST + 1] = {F_BYTES("line", line, size), F_TEXT("stream", output->name)};
    if (job)
        job_fields(job, fields + 2);
    remember(executor, job, line, size);
    log_write(output->level, job ? job->envelope.name : "jobs", "{line}", 6, fields);
}
