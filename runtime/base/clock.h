#ifndef LUNASTALK_BASE_CLOCK_H
#define LUNASTALK_BASE_CLOCK_H
/* Monotonic time; the same clock in every process of a machine, so the board can carry it. */
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
