#ifndef LUNASTALK_REDIS_TROUBLE_H
#define LUNASTALK_REDIS_TROUBLE_H
/* What is wrong with Redis: one warning that quotes it, and one notice when what failed has worked again. */

struct trouble {
    char code[32]; // the first word of what was warned about; "": all is well
    char by[64];   // what met it: "connecting", or purpose and verb of a command
};

/* `by` failed: `why` is what Redis or the system said. */
void trouble_warn(struct trouble *trouble, const char *server, const char *by, const char *why);
/* `by` has worked. What else works proves nothing: a Redis without memory still reads. */
void trouble_over(struct trouble *trouble, const char *server, const char *by);

#endif
