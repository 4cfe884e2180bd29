#include "command/text.h"

#include "base/escape.h"

#include <stdbool.h>
#include <time.h>

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

double text_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void text_moment(struct buffer *out, double unix_s)
{
    char text[64] = "?";
    struct tm local;
    double age = text_now() - unix_s;
    bool sane = unix_s >= 0 && unix_s < 1e11;
    time_t moment = sane ? (time_t)unix_s : 0;
    if (sane && localtime_r(&moment, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    buffer_append_text(out, text);
    if (!sane || age < 0)
        return;
    buffer_append_text(out, ", ");
    text_duration(out, (uint64_t)age);
    buffer_append_text(out, " ago");
}
