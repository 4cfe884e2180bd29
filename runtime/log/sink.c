#include "log/sink.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "log/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *sink_name(const struct config_sink *config)
{
    struct buffer addresses = {0};
    switch (config->to) {
    case CONFIG_SINK_STDOUT: return mem_copy("stdout", strlen("stdout"));
    case CONFIG_SINK_STDERR: return mem_copy("stderr", strlen("stderr"));
    case CONFIG_SINK_FILE: return mem_printf("file %s", config->path);
    case CONFIG_SINK_REDIS: return mem_printf("redis %s", config->key);
    default: break;
    }
    for (size_t i = 0; i < config->email.address_count; i++)
        buffer_printf(&addresses, "%s%s", i ? ", " : "", config->email.address[i]);
    char *name = mem_printf("email %s", buffer_text(&addresses));
    buffer_free(&addresses);
    return name;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Behind the number there. One behind a colon is a code, and stays: "RCPT failed: 550". */
static const char *skip_number(const char *start, const char *at)
{
    bool code = at - start >= 2 && at[-1] == ' ' && at[-2] == ':';
    bool within = at > start && is_digit(at[-1]);
    return code || within ? at : at + strspn(at, "0123456789");
}

bool sink_same_fault(const char *a, const char *b)
{
    for (const char *start_a = a, *start_b = b;; a++, b++) {
        a = skip_number(start_a, a);
        b = skip_number(start_b, b);
        if (*a != *b || !*a)
            return *a == *b;
    }
}

bool sink_say(const char *format, ...)
{
    char line[700];
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t length = (size_t)size < sizeof line ? (size_t)size : sizeof line - 1;
    line[length - 1] = '\n';
    return poll(&ready, 1, 0) == 1 && write(STDERR_FILENO, line, length) >= 0;
}

void sink_lost(const char *kind, const char *which, unsigned long long records)
{
    if (!records)
        return;
    char *name = mem_printf("%s %s", kind, which);
    if (log_takes(LEVEL_WARNING))
        LOG(LEVEL_WARNING, "{count} records for the log to {sink} were lost: it was closed before they were written",
            F_NUMBER("count", records), F_TEXT("sink", name));
    else
        sink_say("lunastalk: %llu records for the log to %s were lost\n", records, name);
    free(name);
}
