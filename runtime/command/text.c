#include "command/text.h"

#include "base/escape.h"

void text_print(const struct buffer *text)
{
    struct buffer shown = {0};
    escape_append(&shown, buffer_data(text), buffer_size(text), ESCAPE_LINES);
    text_write(stdout, &shown);
    buffer_free(&shown);
}

void text_write(FILE *out, const struct buffer *text)
{
    if (buffer_size(text))
        fwrite(buffer_data(text), 1, buffer_size(text), out);
}

void text_duration(struct buffer *out, uint64_t seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    size_t i = 0;
    while (units[i].seconds > 1 && seconds < units[i].seconds)
        i++;
    buffer_printf(out, "%llu %s", (unsigned long long)(seconds / units[i].seconds), units[i].name);
    uint64_t rest = seconds % units[i].seconds;
    if (rest && rest >= units[i + 1].seconds)
        buffer_printf(out, " %llu %s", (unsigned long long)(rest / units[i + 1].seconds), units[i + 1].name);
}
