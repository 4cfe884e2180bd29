#ifndef LUNASTALK_LUA_SCAN_H
#define LUNASTALK_LUA_SCAN_H
/*
 * Which files below the jobs directory are handlers. Names that begin with `_` or `.` and everything in lib/ are none;
 * what does not end in .lua is ignored; what does, but cannot be a handler, is refused by name. No file is opened.
 */
#include "base/buffer.h"

struct scan {
    char *root;            // the directory, links resolved: a deploy that switches one later does not mix two releases
    char *shown;           // the same for people: relative to the working directory when it is below
    struct buffer files;   // "email/welcome.lua": relative paths, sorted, a NUL behind each
    struct buffer problem; // why it failed
};

/* 0, or -1 and `problem`. Zero-initialise `scan`, and free it in both cases. */
int scan_jobs(struct scan *scan, const char *path);
void scan_free(struct scan *scan);

#endif
