#ifndef LUNASTALK_COMMAND_BINARY_H
#define LUNASTALK_COMMAND_BINARY_H
/* Where lunastalk-executor is. */
#include <limits.h>

/*
 * Beside our own binary when that was built and not installed, else in ../lib/lunastalk from it, where `make install`
 * puts it: wherever the tree is moved to, both binaries stay of one build. 0, or -1: it is not there, which `command`
 * ("run") has said on stderr.
 */
int binary_executor(const char *command, char path[PATH_MAX]);

#endif
