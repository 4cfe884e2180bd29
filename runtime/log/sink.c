#include "log/sink.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <string.h>

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

bool sink_same_fault(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "0123456789");
        b += strspn(b, "0123456789");
        if (*a != *b || !*a)
            return *a == *b;
    }
}
