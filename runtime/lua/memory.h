#ifndef LUNASTALK_LUA_MEMORY_H
#define LUNASTALK_LUA_MEMORY_H
/*
 * Counts what the Lua state uses, and refuses more than the limit: a handler that takes too much gets a clean error
 * ("not enough memory"), and programs that it starts are not limited. What C libraries take, the runtime watches.
 */
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
    uint64_t used, peak, limit; // bytes; limit 0: none
    bool refused;               // something was, since memory_begin()
    lua_Alloc allocate;         // LuaJIT's own
    void *context;
};

/* Puts itself before the allocator of `L`, for good. */
void memory_open(struct memory *memory, lua_State *L, uint64_t limit);
/* A job begins: what is used now is its peak so far. */
void memory_begin(struct memory *memory);

#endif
