#ifndef LUNASTALK_CONFIG_SECRET_H
#define LUNASTALK_CONFIG_SECRET_H
/* A secret that stands in config.yml or in a file of its own: callbacks.secret, redis.password. */
#include "base/error.h"

enum { SECRET_ROOM = 513 }; // "whsec_", the longest key in base64, NUL

/*
 * `text`, or the first line of `file`, at most one of which is set; "" when none is. 0, or -1: both are set, or the file
 * cannot be read. `option` is the path of the first in messages, that of the other is the same with _file.
 */
int secret_read(char secret[SECRET_ROOM], const char *option, const char *text, const char *file, struct error *error);

#endif
