#ifndef LUNASTALK_LUA_STOP_H
#define LUNASTALK_LUA_STOP_H
/*
 * The soft stop: on SIGTERM, when the board names the job that runs, an error is raised in it at its next instruction,
 * so that it fails with a traceback. Compiled loops, and calls into C, are not interrupted: the kill that follows is.
 */
#include "executor/board.h"

#include <lua.h>

/* From now on. One per process: a signal handler knows no context. */
void stop_open(lua_State *L, const struct board *board);
/* Which job runs; 0: none. A stop for any other is ignored. */
void stop_expect(uint64_t sequence);

/* Whether the job that runs was told to stop. */
bool stop_asked(void);

#endif
