#ifndef LUNASTALK_LOG_KEPT_H
#define LUNASTALK_LOG_KEPT_H
/*
 * Records that wait to be written, a line each: 1 MB at most, or what the sink says. Then the oldest go of which nothing
 * has left yet, and are counted. Zero-initialise.
 */
#include "base/buffer.h"

enum { KEPT_MOST = 1024 * 1024 };

struct kept {
    size_t most; // bytes; 0: KEPT_MOST
    struct buffer lines;
    size_t begun;               // bytes at the front that are being written, or end a record which has left in part
    unsigned long long dropped; // since kept_take_dropped()
};

/* One record with its newline. */
void kept_add(struct kept *kept, const char *line, size_t size);
/* `size` bytes at the front have left. */
void kept_consume(struct kept *kept, size_t size);
/* How many bytes whole records of at most `most` bytes in all have; those of the first when it alone is larger. */
size_t kept_whole(const struct kept *kept, size_t most);
/* The count, which begins anew. */
unsigned long long kept_take_dropped(struct kept *kept);
/* What is lost when it goes: all that waits, and the count. */
unsigned long long kept_lost(const struct kept *kept);
/* Lines among the first `size` bytes. */
unsigned long long kept_count(const char *lines, size_t size);

#endif
