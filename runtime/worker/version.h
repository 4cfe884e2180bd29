#ifndef LUNASTALK_WORKER_VERSION_H
#define LUNASTALK_WORKER_VERSION_H
/*
 * The version key: whoever changes it makes every worker load its handlers anew, or stop so that it is started anew
 * (reload.on_change). What is read first is what the worker runs already, unless it could not be read while they were
 * loaded: then it loads them anew. A key that appears later is a change, one that vanishes or cannot be read is none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct worker;

enum { VERSION_LONGEST = 200 };

struct version {
    bool known;                        // the key was read, be it there or not
    bool told;                         // that it cannot be read
    char seen[VERSION_LONGEST + 1];    // the last value; "": none yet
    char loading[VERSION_LONGEST + 1]; // what was seen when the last reload began to load handlers
    char running[VERSION_LONGEST + 1]; // what those that serve are
    struct job_version *of_jobs;       // the same; NULL: not known
    char refused[VERSION_LONGEST + 1]; // what the last reload that was refused was to bring
    uint64_t opened_ms;                // uv_now()
    uv_timer_t leave;                  // on_change: exit, a little later
};

void version_open(struct version *version, struct worker *worker);
/* The key's value; NULL: there is none. */
void version_read(struct version *version, struct worker *worker, const char *bytes, size_t size);
/* A reload begins to load what was seen last; it has; it was refused, `loading` or before. */
void version_loading(struct version *version);
void version_loaded(struct version *version);
void version_refused(struct version *version, bool loading);
/* After the last job. */
void version_free(struct version *version);
void version_close(struct version *version);

#endif
