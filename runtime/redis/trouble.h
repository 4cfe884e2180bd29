#ifndef LUNASTALK_REDIS_TROUBLE_H
#define LUNASTALK_REDIS_TROUBLE_H
/*
 * What is wrong with Redis: one warning per fault that quotes it, and one notice when nothing is wrong any more. A fault
 * is met by something: connecting, or a command of some purpose; it is over when that works again. What works beside it
 * proves nothing: a Redis without memory still reads.
 */
#include <stdint.h>

enum { TROUBLE_CODE = 32, TROUBLE_BY = 64, TROUBLE_MOST = 8 };

/* Zero-initialise, but for lasts_ms. */
struct trouble {
    uint64_t lasts_ms; // what is not met again for so long is over as well: the command may be a rare one
    unsigned count;
    struct met {
        char code[TROUBLE_CODE]; // the first word of what was said
        char by[TROUBLE_BY];     // what met it
        uint64_t at_ms;          // last
    } met[TROUBLE_MOST];
};

/* The code of an error ("OOM"): its first word, or what stands behind a dash in one of a script (before Redis 7). */
void trouble_code(const char *error, char code[TROUBLE_CODE]);
/* `by` failed at `now_ms`: `why` is what Redis or the system said. */
void trouble_warn(struct trouble *trouble, const char *server, const char *by, const char *why, uint64_t now_ms);
/* `by` has worked. */
void trouble_over(struct trouble *trouble, const char *server, const char *by, uint64_t now_ms);

#endif
