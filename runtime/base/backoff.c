#include "base/backoff.h"

#include "base/clock.h"

#include <stdlib.h>

unsigned backoff_next_ms(struct backoff *backoff)
{
    unsigned long long step = backoff->cap_ms;
    if (backoff->tries < 20 && (unsigned long long)backoff->first_ms << backoff->tries < step)
        step = (unsigned long long)backoff->first_ms << backoff->tries;
    backoff->tries++;
    if (!backoff->seed)
        backoff->seed = (unsigned)clock_ns() | 1;
    unsigned least = (unsigned)step / 10;
    return least + (unsigned)rand_r(&backoff->seed) % ((unsigned)step - least + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->tries = 0;
}
