#ifndef LUNASTALK_COMMAND_DEV_CHILD_H
#define LUNASTALK_COMMAND_DEV_CHILD_H
/*
 * A process of `lunastalk dev`. It has a session of its own, so that what a terminal sends reaches dev alone, which ends
 * all in order; and the kernel sends it a signal when dev dies, however that comes.
 */
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct dev_child {
    pid_t pid;  // 0: it does not run
    int status; // of the last one that ran, as wait(2) gives it
};

/*
 * Starts argv[0], looked up in PATH. It reads nothing, and writes to the file `log`, emptied first, or where we do when
 * that is NULL. SIGHUP is ignored until it cares for it. `orphaned` is what it gets when dev dies. 0, or an errno.
 */
int dev_child_start(struct dev_child *child, char *const argv[], const char *log, int orphaned);
/* Whether it has ended since it was last asked. */
bool dev_child_ended(struct dev_child *child);
/* Does nothing when it does not run. SIGKILL is for all of its group. */
void dev_child_signal(const struct dev_child *child, int number);
/* How the last one ended, for "… ended: %s". */
void dev_child_story(const struct dev_child *child, struct error *story);

#endif
