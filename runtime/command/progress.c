#include "command/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { EVERY_NS = 100 * 1000 * 1000, WIDTH = 30 };

void progress_start(struct progress *progress, uint64_t total)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO), .total = total};
}

void progress_show(struct progress *progress, uint64_t done, uint64_t count)
{
    static const char bar[] = "##############################", gap[] = "..............................";
    if (!progress->terminal || clock_ns() < progress->next_ns)
        return;
    progress->next_ns = clock_ns() + EVERY_NS;
    progress->drawn = true;
    if (progress->total) {
        double part = done < progress->total ? (double)done / (double)progress->total : 1;
        int filled = (int)(part * WIDTH);
        fprintf(stderr, "\r[%.*s%.*s] %3.0f %%  ", filled, bar, WIDTH - filled, gap, part * 100);
    }
    fprintf(stderr, "%s%llu\033[K", progress->total ? "" : "\r", (unsigned long long)count);
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
