#ifndef LUNASTALK_LUA_SOURCE_H
#define LUNASTALK_LUA_SOURCE_H
/* Reading a Lua file, and only a file: a FIFO or a device is never opened. */
#include "base/buffer.h"

#include <sys/types.h>

/* "a FIFO", "a directory" …: for "X is a FIFO, not a regular file". */
const char *source_kind(mode_t mode);

enum source_result { SOURCE_READ, SOURCE_MISSING, SOURCE_REFUSED };
/* Appends the text of the file to `text`; SOURCE_REFUSED: the reason, to be read behind the file's name. */
enum source_result source_read(const char *path, struct buffer *text);

#endif
