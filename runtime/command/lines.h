#ifndef LUNASTALK_COMMAND_LINES_H
#define LUNASTALK_COMMAND_LINES_H
/*
 * Lines from a file or a pipe that may drip. The caller takes lines while there are any, then reads more:
 *
 *     while (!lines.ended) { lines_read(&lines, …); while (lines_next(&lines, …)) …; }
 */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { LINES_LONGEST = 64 * 1024 * 1024 };

struct lines {
    int fd;
    uint64_t number;     // of the line that lines_next() gave last, from 1
    uint64_t bytes_read; // all that lines_read() got
    bool ended;          // nothing more will come; what is left is the last line
    struct buffer bytes;
    size_t searched; // so many of them hold no line's end
    size_t given;    // the last line and its end
    bool too_long;   // the line that has begun; its bytes are dropped
};

/* Opens `path`, "-" is stdin. 0, or -1 and `error`. */
int lines_open(struct lines *lines, const char *path, struct error *error);
void lines_close(struct lines *lines);
/* Size of the file, 0 when it is none. */
uint64_t lines_total(const struct lines *lines);

/* Whether lines_read() would have to wait. */
bool lines_would_wait(const struct lines *lines);
/* Reads once. 0, or -1 and `error`. */
int lines_read(struct lines *lines, struct error *error);
/*
 * The next whole line without its end (LF or CR LF), good until the next call; `line` is NULL when it is longer than
 * LINES_LONGEST. False when more has to be read first.
 */
bool lines_next(struct lines *lines, const char **line, size_t *size);

#endif
