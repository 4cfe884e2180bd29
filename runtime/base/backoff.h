#ifndef LUNASTALK_BASE_BACKOFF_H
#define LUNASTALK_BASE_BACKOFF_H
/* Exponential backoff with full jitter: how long to wait before the next try. */

struct backoff {
    unsigned first_ms, cap_ms; // the ladder's first step and its last
    unsigned tries;            // failed in a row
    unsigned seed;
};

/* The wait after one more failure: a random time up to first × 2^tries or the cap, and a tenth of that at least. */
unsigned backoff_next_ms(struct backoff *backoff);
/* It worked: the next failure starts from the first step. */
void backoff_reset(struct backoff *backoff);

#endif
