#ifndef LUNASTALK_LUA_SCRATCH_H
#define LUNASTALK_LUA_SCRATCH_H
/*
 * The executor's directory for temporary files: TMPDIR points there, job:tempdir() and os.tmpname() make theirs in it,
 * and it is emptied after each job that has used it. The runtime makes it, and removes it when the executor is gone.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct scratch {
    char path[PATH_MAX]; // "": there is none
    bool looked;         // no job has run since
};

void scratch_open(struct scratch *scratch, const char *path);
/* A job has ended that took this long. Short ones are not looked after one by one: scratch_idle() does. */
void scratch_after(struct scratch *scratch, uint64_t spent_ns);
/* Nothing to do: empties it when something was left in it. */
void scratch_idle(struct scratch *scratch);

/* A new directory, or file, of its own. `made` has PATH_MAX bytes. 0, or -1 and errno. */
int scratch_directory(const struct scratch *scratch, char *made);
int scratch_file(const struct scratch *scratch, char *made);

#endif
