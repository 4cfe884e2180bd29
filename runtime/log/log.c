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

void log_open(const struct config *config)
{
    for (size_t i = 0; i < config->log_count && logger.count < SINKS_MOST; i++) {
        const struct config_sink *wanted = &config->log[i];
        struct sink *sink = &logger.sinks[logger.count++];
        sink->level = wanted->level;
        sink->stream.fd = wanted->to == CONFIG_SINK_STDERR ? STDERR_FILENO : STDOUT_FILENO;
        if (wanted->level < logger.lowest)
            logger.lowest = wanted->level;
    }
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
