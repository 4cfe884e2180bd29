#include "queue/window.h"

enum { WORK_NS = 50 * 1000 * 1000 };

void window_reset(struct window *window)
{
    window->grown = 1;
}

void window_grow(struct window *window)
{
    if (window->grown < WINDOW_MOST)
        window->grown *= 2;
}

void window_ran(struct window *window, uint64_t runtime_ns)
{
    window->runtimes_ns[window->next++ % WINDOW_MEMORY] = runtime_ns;
}

unsigned window_size(const struct window *window)
{
    uint64_t slowest = 1;
    for (unsigned i = 0; i < WINDOW_MEMORY; i++)
        if (window->runtimes_ns[i] > slowest)
            slowest = window->runtimes_ns[i];
    uint64_t fitting = WORK_NS / slowest;
    if (fitting < 1)
        return 1;
    return fitting < window->grown ? (unsigned)fitting : window->grown;
}
