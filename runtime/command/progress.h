#ifndef LUNASTALK_COMMAND_PROGRESS_H
#define LUNASTALK_COMMAND_PROGRESS_H
/* One line of progress on stderr, drawn over at most ten times a second; nothing when stderr is no terminal. */
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal, drawn;
    uint64_t total; // 0: not known
    uint64_t next_ns;
};

void progress_start(struct progress *progress, uint64_t total);
/* `count` things done so far, and `done` of `total`, when that is known. */
void progress_show(struct progress *progress, uint64_t done, uint64_t count);
/* Takes the line away, so that something else can be written. */
void progress_clear(struct progress *progress);

#endif
