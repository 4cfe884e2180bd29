#ifndef LUNASTALK_COMMAND_OWNER_H
#define LUNASTALK_COMMAND_OWNER_H
/* Root becomes the owner of a directory, for good: groups, HOME, USER and LOGNAME too. */
#include "base/error.h"

#include <stdbool.h>

/* Whether we are root, and the directory is root's. */
bool owner_is_root(const char *directory);
/* Does nothing for who is not root. 0, or -1 and `error`. */
int owner_become(const char *directory, struct error *error);

#endif
