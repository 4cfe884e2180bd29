#ifndef LUNASTALK_LUA_VM_H
#define LUNASTALK_LUA_VM_H
/* The Lua state of the executor, and the one protected way into it. */
#include <lauxlib.h>
#include <lua.h>

/* A state with the standard libraries and our own modules (modules.h) in package.preload. */
lua_State *vm_open(void);
/* lua_pcall() on function and arguments on the stack. Not 0: the error value is on the stack instead of the results. */
int vm_call(lua_State *L, int arguments, int results);

#endif
