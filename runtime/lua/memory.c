#include "lua/memory.h"

static void *allocate(void *context, void *block, size_t old, size_t new)
{
    struct memory *memory = context;
    if (new > old && memory->limit && memory->used + (new - old) > memory->limit) {
        memory->refused = true;
        return NULL;
    }
    void *result = memory->allocate(memory->context, block, old, new);
    if (result || !new) {
        memory->used += new - old; // wraps, and so subtracts, where it shrinks
        if (memory->used > memory->peak)
            memory->peak = memory->used;
    }
    return result;
}

void memory_open(struct memory *memory, lua_State *L, uint64_t limit)
{
    memory->limit = limit;
    memory->used = (uint64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (uint64_t)lua_gc(L, LUA_GCCOUNTB, 0);
    memory->allocate = lua_getallocf(L, &memory->context);
    lua_setallocf(L, allocate, memory);
    memory_begin(memory);
}

void memory_begin(struct memory *memory)
{
    memory->peak = memory->used;
    memory->refused = false;
}
