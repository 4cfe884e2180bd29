#include "log/log.h"

#include "config/config.h"
#include "log/format.h"
#include "log/sink_stream.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SINKS_MOST = 8 };

static struct {
    struct sink {
        enum level level;
        struct sink_stream stream;
    } sinks[SINKS_MOST];
    size_t count;
    unsigned lowest;
    struct buffer line; // kept for its memory
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

void log_open(const struct config *config)
{
    struct sink open[SINKS_MOST];
    size_t count = logger.count;
    memcpy(open, logger.sinks, sizeof open);
    logger.count = 0;
    for (size_t i = 0; i < config->log_count && logger.count < SINKS_MOST; i++) {
        int fd = config->log[i].to == CONFIG_SINK_STDERR ? STDERR_FILENO : STDOUT_FILENO;
        logger.sinks[logger.count++] = (struct sink){config->log[i].level, open_stream(open, count, fd)};
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

void log_write(enum level level, const char *channel, const char *message, size_t size, const struct log_field *fields)
{
    if (!log_takes(level))
        return;
    buffer_consume(&logger.line, buffer_size(&logger.line));
    format_line(&logger.line, unix_time_ms(), level, channel, message, size, fields);
    for (size_t i = 0; i < logger.count; i++)
        if (level >= logger.sinks[i].level)
            sink_stream_write(&logger.sinks[i].stream, buffer_data(&logger.line), buffer_size(&logger.line));
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
