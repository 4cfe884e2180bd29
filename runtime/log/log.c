#include "log/log.h"

#include "base/json.h"
#include "config/config.h"
#include "log/format.h"
#include "log/sink_stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum rendering { RENDER_LINE, RENDER_COLOURED, RENDER_JSON, RENDERINGS };

static struct {
    struct sink {
        enum level level;
        enum rendering rendering;
        struct sink_stream stream;
    } sinks[CONFIG_SINKS_MOST];
    size_t count;
    unsigned lowest;
    struct buffer rendered[RENDERINGS]; // of the present record, when a sink takes it so; kept for their memory
    struct buffer origin;               // format_json()
} logger = {.lowest = LEVEL_COUNT};

struct log_field log_field_text(const char *key, const char *text)
{
    return F_BYTES(key, text, strlen(text));
}

/* One that was open goes on with what it still holds. */
static struct sink_stream open_stream(struct sink *open, size_t count, int fd)
{
    struct sink_stream stream = {.fd = fd};
    for (size_t i = 0; i < count; i++) {
        if (open[i].stream.fd != fd)
            continue;
        stream = open[i].stream;
        open[i].stream = (struct sink_stream){.fd = -1};
        break;
    }
    return stream;
}

static void close_stream(struct sink_stream *stream)
{
    sink_stream_flush(stream);
    buffer_free(&stream->kept);
}

/* Colours are for people; https://no-color.org. */
static enum rendering choose_rendering(enum config_sink_format format, int fd)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (format == CONFIG_FORMAT_JSON)
        return RENDER_JSON;
    bool plain = (no_color && *no_color) || (terminal && strcmp(terminal, "dumb") == 0) || !isatty(fd);
    return plain ? RENDER_LINE : RENDER_COLOURED;
}

void log_identify(const char *worker, const char *instance)
{
    buffer_consume(&logger.origin, buffer_size(&logger.origin));
    buffer_append_text(&logger.origin, "\"workerId\":");
    json_quote(&logger.origin, worker, strlen(worker));
    buffer_append_text(&logger.origin, ",\"instanceHash\":");
    json_quote(&logger.origin, instance, strlen(instance));
}

void log_open(const struct config *config)
{
    struct sink open[CONFIG_SINKS_MOST];
    size_t count = logger.count;
    memcpy(open, logger.sinks, sizeof open);
    logger.count = 0;
    for (size_t i = 0; i < config->log_count && logger.count < CONFIG_SINKS_MOST; i++) {
        int fd = config->log[i].to == CONFIG_SINK_STDERR ? STDERR_FILENO : STDOUT_FILENO;
        logger.sinks[logger.count++] = (struct sink){
            config->log[i].level, choose_rendering(config->log[i].format, fd), open_stream(open, count, fd)};
    }
    for (size_t i = 0; i < count; i++)
        close_stream(&open[i].stream);
    logger.lowest = log_lowest_of(config);
}

unsigned log_lowest_of(const struct config *config)
{
    unsigned lowest = LEVEL_COUNT;
    for (size_t i = 0; i < config->log_count; i++)
        if (config->log[i].level < lowest)
            lowest = config->log[i].level;
    return lowest;
}

unsigned log_lowest(void)
{
    return logger.lowest;
}

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
    if (rendering == RENDER_JSON)
        format_json(out, record, buffer_text(&logger.origin));
    else
        format_line(out, record, rendering == RENDER_COLOURED);
    return out;
}

void log_write(enum level level, const char *channel, const char *message, size_t size, const struct log_field *fields)
{
    if (!log_takes(level))
        return;
    const struct format_record record = {unix_time_ms(), level, channel, message, size, fields};
    for (size_t i = 0; i < RENDERINGS; i++)
        buffer_consume(&logger.rendered[i], buffer_size(&logger.rendered[i]));
    for (size_t i = 0; i < logger.count; i++) {
        if (level < logger.sinks[i].level)
            continue;
        const struct buffer *text = render(&record, logger.sinks[i].rendering);
        sink_stream_write(&logger.sinks[i].stream, buffer_data(text), buffer_size(text));
    }
    if (level >= LEVEL_CRITICAL)
        log_flush();
}

bool log_flush(void)
{
    bool left = false;
    for (size_t i = 0; i < logger.count; i++)
        left |= sink_stream_flush(&logger.sinks[i].stream);
    return left;
}
