#ifndef LUNASTALK_QUEUE_WINDOW_H
#define LUNASTALK_QUEUE_WINDOW_H
/*
 * How many jobs to have reserved ahead for one executor: about 50 ms of work, judged by the slowest of the last 16
 * jobs; one after each idle, doubling with every turn that asks for more, 128 at most. Short jobs are pipelined, long
 * ones are never hoarded. Pure.
 */
#include <stdint.h>

enum { WINDOW_MOST = 128, WINDOW_MEMORY = 16 };

struct window {
    unsigned grown; // 1, 2, 4 … WINDOW_MOST
    uint64_t runtimes_ns[WINDOW_MEMORY];
    unsigned next;
};

/* Nothing was there: start from one again. Also initialises. What is known of the jobs' length stays. */
void window_reset(struct window *window);
/* A turn asks for more. */
void window_grow(struct window *window);
/* A job has run this long. */
void window_ran(struct window *window, uint64_t runtime_ns);
unsigned window_size(const struct window *window);

#endif
