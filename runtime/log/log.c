#include "log/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "log/format.h"
#include "log/held.h"
#include "log/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FAULTS_MOST = 4, FAULT_ROOM = 200 };
static const uint64_t NOTE_EVERY_NS = UINT64_C(60) * 1000 * 1000 * 1000;

enum rendering { RENDER_LINE, RENDER_COLOURED, RENDER_JSON, RENDER_MESSAGE, RENDERINGS };

struct sink {
    char *name;
    enum level level;
    enum rendering rendering;
    const struct sink_class *class;
    void *state;
    struct held *held;                    // NULL: nothing is held back
    char faults[FAULTS_MOST][FAULT_ROOM]; // that were told since it last worked; "": none
    unsigned long long failures;          // since then
    uint64_t noted_ns;                    // when stderr was last told
    unsigned long long taken, written, lost;
};

static struct {
    struct {
        const struct sink_class *class;
        void *context;
    } kinds[CONFIG_SINK_KINDS];
    struct sink *sinks[CONFIG_SINKS_MOST];
    size_t count;
    unsigned lowest;
    bool told; // of a sink, since the last flush began: to one that may have been flushed before
    struct buffer rendered[RENDERINGS]; // of the present record, when a sink takes it so; kept for their memory
    struct buffer origin, signature;    // format_json(), format_line()
} logger = {.lowest = LEVEL_COUNT};

struct log_field log_field_text(const char *key, const char *text)
{
    return F_BYTES(key, text, strlen(text));
}

void log_identify(const char *worker, const char *instance)
{
    buffer_free(&logger.origin);
    buffer_free(&logger.signature);
    buffer_append_text(&logger.origin, "\"workerId\":");
    json_quote(&logger.origin, worker, strlen(worker));
    buffer_append_text(&logger.origin, ",\"instanceHash\":");
    json_quote(&logger.origin, instance, strlen(instance));
    buffer_printf(&logger.signature, " workerId=%s instanceHash=%s", worker, instance);
}

/* ---- opening ---- */

void log_provide(unsigned kind, const struct sink_class *class, void *context)
{
    logger.kinds[kind].class = class;
    logger.kinds[kind].context = context;
}

/* Colours are for people, https://no-color.org; the person who looks at a terminal knows whose lines are there. */
static enum rendering choose_rendering(const struct config_sink *config)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (config->format == CONFIG_FORMAT_JSON)
        return RENDER_JSON;
    if (config->to != CONFIG_SINK_STDOUT && config->to != CONFIG_SINK_STDERR)
        return RENDER_LINE;
    bool plain = (no_color && *no_color) || (terminal && strcmp(terminal, "dumb") == 0) ||
                 !isatty(config->to == CONFIG_SINK_STDERR ? STDERR_FILENO : STDOUT_FILENO);
    return plain ? RENDER_LINE : RENDER_COLOURED;
}

/* One of that name which is open, and is taken out of `open`; NULL: there is none. */
static struct sink *find_open(struct sink **open, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        struct sink *sink = open[i];
        if (!sink || strcmp(sink->name, name) != 0)
            continue;
        open[i] = NULL;
        return sink;
    }
    return NULL;
}

static struct sink *make_sink(const struct config_sink *config, char *name)
{
    struct sink *sink = mem_new(sizeof *sink);
    sink->name = name;
    sink->class = logger.kinds[config->to].class;
    sink->state = sink->class->open(logger.kinds[config->to].context, config, sink);
    return sink;
}

static void set_up(struct sink *sink, const struct config_sink *config)
{
    sink->level = config->level;
    sink->rendering = choose_rendering(config);
    if (config->buffer && !sink->held)
        sink->held = held_new();
    if (config->buffer)
        return;
    held_free(sink->held);
    sink->held = NULL;
}

/* A list in the Redis that is not there takes nothing. */
static bool is_open(const struct config *config, size_t i)
{
    return config->log[i].to != CONFIG_SINK_REDIS || config->redis.server;
}

static void add_sink(const struct config_sink *config, struct sink **open, size_t count)
{
    char *name = sink_name(config);
    struct sink *sink = find_open(open, count, name);
    if (sink && sink->class->configure)
        sink->class->configure(sink->state, config);
    if (sink)
        free(name);
    else
        sink = make_sink(config, name);
    set_up(sink, config);
    logger.sinks[logger.count++] = sink;
}

static void close_sink(struct sink *sink)
{
    sink->class->close(sink->state);
    held_free(sink->held);
    free(sink->name);
    free(sink);
}

void log_open(struct uv_loop_s *loop, const struct config *config)
{
    struct sink *open[CONFIG_SINKS_MOST];
    size_t count = logger.count;
    memcpy(open, logger.sinks, sizeof open);
    log_provide(CONFIG_SINK_STDOUT, &sink_stream, NULL);
    log_provide(CONFIG_SINK_STDERR, &sink_stream, NULL);
    log_provide(CONFIG_SINK_FILE, &sink_file, loop);
    log_flush(); // what is closed has had what it was given
    logger.count = 0;
    for (size_t i = 0; i < config->log_count; i++)
        if (is_open(config, i))
            add_sink(&config->log[i], open, count);
    logger.lowest = log_lowest_of(config);
    for (size_t i = 0; i < count; i++)
        if (open[i])
            close_sink(open[i]);
}

void log_close(void)
{
    size_t count = logger.count;
    logger.count = 0;
    logger.lowest = LEVEL_COUNT;
    for (size_t i = 0; i < count; i++)
        close_sink(logger.sinks[i]);
}

unsigned log_lowest_of(const struct config *config)
{
    unsigned lowest = LEVEL_COUNT;
    for (size_t i = 0; i < config->log_count; i++) {
        unsigned level = config->log[i].buffer ? LEVEL_DEBUG : config->log[i].level;
        lowest = is_open(config, i) && level < lowest ? level : lowest;
    }
    return lowest;
}

unsigned log_lowest(void)
{
    return logger.lowest;
}

/* ---- a record ---- */

static uint64_t unix_time_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Once for all sinks that want it so. */
static const struct buffer *render(const struct format_record *record, enum rendering rendering)
{
    struct buffer *out = &logger.rendered[rendering];
    if (buffer_size(out))
        return out;
    if (rendering == RENDER_MESSAGE)
        format_message(out, record->message, record->size, record->fields, ESCAPE_LINE);
    else if (rendering == RENDER_JSON)
        format_json(out, record, buffer_text(&logger.origin));
    else
        format_line(out, record, rendering == RENDER_COLOURED,
            rendering == RENDER_COLOURED ? "" : buffer_text(&logger.signature));
    return out;
}

static void hand_over(void *context, const struct sink_record *record)
{
    struct sink *sink = context;
    sink->taken++;
    sink->class->take(sink->state, record);
}

/* The id of the job that the record is about; NULL: it is about none. */
static const struct log_field *find_job(const struct log_field *fields)
{
    for (; fields->key; fields++)
        if (fields->of_job && fields->kind == LOG_ID)
            return fields;
    return NULL;
}

static void deliver(struct sink *sink, const struct format_record *record)
{
    const struct log_field *job = record->level < sink->level ? find_job(record->fields) : NULL;
    if (record->level < sink->level && !job)
        return;
    const struct buffer *text = render(record, sink->rendering);
    struct sink_record taken = {.level = record->level, .time_ms = record->time_ms, .channel = record->channel};
    taken.message = record->message;
    taken.size = record->size;
    taken.line = buffer_data(text);
    taken.line_size = buffer_size(text);
    if (sink->class->filled) {
        text = render(record, RENDER_MESSAGE);
        taken.filled = buffer_data(text);
        taken.filled_size = buffer_size(text);
    }
    if (job)
        held_add(sink->held, job->number, &taken);
    else
        hand_over(sink, &taken);
}

static void write_record(const struct format_record *record, const struct sink *except)
{
    for (size_t i = 0; i < RENDERINGS; i++)
        buffer_consume(&logger.rendered[i], buffer_size(&logger.rendered[i]));
    for (size_t i = 0; i < logger.count; i++) {
        struct sink *sink = logger.sinks[i];
        if (sink != except && (record->level >= sink->level || sink->held))
            deliver(sink, record);
    }
}

void log_write(enum level level, const char *channel, const char *message, size_t size, const struct log_field *fields)
{
    if (!log_takes(level))
        return;
    const struct format_record record = {unix_time_ms(), level, channel, message, size, fields};
    write_record(&record, NULL);
    if (level >= LEVEL_CRITICAL)
        log_flush();
}

void log_job_ended(uint64_t id, bool failed)
{
    for (size_t i = 0; i < logger.count; i++)
        if (logger.sinks[i]->held)
            held_end(logger.sinks[i]->held, id, failed ? hand_over : NULL, logger.sinks[i]);
}

/* ---- a sink that fails ---- */

/* A warning about a sink. */
static void tell(const char *message, const struct log_field *fields, const struct sink *except)
{
    const struct format_record record = {unix_time_ms(), LEVEL_WARNING, "worker", message, strlen(message), fields};
    write_record(&record, except);
    logger.told = true;
}

/* Whether it is told already; if not it is from now on. */
static bool is_told(struct sink *sink, const char *why)
{
    size_t i = 0;
    char known[FAULT_ROOM];
    snprintf(known, sizeof known, "%s", why);
    for (; i < FAULTS_MOST && *sink->faults[i]; i++)
        if (sink_same_fault(sink->faults[i], known))
            return true;
    snprintf(sink->faults[i < FAULTS_MOST ? i : FAULTS_MOST - 1], FAULT_ROOM, "%s", why);
    return false;
}

/* On stderr, once a minute as long as somebody reads it. */
static void note(struct sink *sink, const char *why)
{
    uint64_t now = clock_ns();
    if (sink->class == &sink_stream || (sink->noted_ns && now - sink->noted_ns < NOTE_EVERY_NS))
        return;
    bool read =
        sink_say("lunastalk: the log to %s fails: %s (failures so far: %llu)\n", sink->name, why, sink->failures);
    sink->noted_ns = read ? now : 0;
}

void sink_counts_failure(struct sink *sink, const char *why)
{
    sink->failures++;
    is_told(sink, why);
}

void sink_failed(struct sink *sink, const char *why)
{
    sink->failures++;
    if (!is_told(sink, why))
        tell("the log to {sink} fails: {error}",
            (const struct log_field[]){F_TEXT("sink", sink->name), F_TEXT("error", why), {0}}, sink);
    note(sink, why);
}

void sink_wrote(struct sink *sink, unsigned long long records, unsigned long long lost)
{
    sink->written += records;
    sink->lost += lost;
    if (!lost && !sink->failures)
        return;
    char error[FAULT_ROOM];
    bool failed = sink->failures;
    memcpy(error, sink->faults[0], sizeof error);
    struct log_field fields[5] = {F_TEXT("sink", sink->name), F_NUMBER("lost", lost)};
    if (failed) {
        fields[2] = F_NUMBER("failures", sink->failures);
        fields[3] = F_TEXT("error", error);
    }
    enum level level = sink->level;
    memset(sink->faults, 0, sizeof sink->faults);
    sink->failures = 0;
    sink->noted_ns = 0;
    sink->level = level < LEVEL_WARNING ? level : LEVEL_WARNING; // its own readers have to know too
    tell(failed ? "the log to {sink} works again; {lost} records were lost"
                : "{lost} records for the log to {sink} were lost: more came than it could write",
        fields, NULL);
    sink->level = level;
}

/* ---- the sinks ---- */

bool log_flush(void)
{
    bool left = false;
    logger.told = false;
    for (size_t i = 0; i < logger.count; i++)
        left |= logger.sinks[i]->class->flush(logger.sinks[i]->state);
    return left || logger.told;
}

void log_reopen(void)
{
    for (size_t i = 0; i < logger.count; i++)
        if (logger.sinks[i]->class->reopen)
            logger.sinks[i]->class->reopen(logger.sinks[i]->state);
}

void log_accounts(void (*visit)(void *context, const struct log_account *account), void *context)
{
    for (size_t i = 0; i < logger.count; i++) {
        const struct sink *sink = logger.sinks[i];
        const struct log_account account = {
            sink->name, sink->level, sink->taken, sink->written, sink->lost, sink->faults[0]};
        visit(context, &account);
    }
}
