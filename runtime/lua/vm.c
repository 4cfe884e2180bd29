#include "lua/vm.h"

#include "lua/modules.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text only, here as for handlers: bytecode is not checked by the VM. */
static int load_module(lua_State *L)
{
    const struct module *module = modules_find(lua_tostring(L, lua_upvalueindex(1)));
    char chunk[64];
    snprintf(chunk, sizeof chunk, "=%s", module->name);
    if (luaL_loadbufferx(L, module->start, (size_t)(module->end - module->start), chunk, "t"))
        return lua_error(L);
    lua_pushstring(L, module->name);
    lua_call(L, 1, 1);
    return 1;
}

static int prepare(lua_State *L)
{
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const struct module *module = modules; module->name; module++) {
        lua_pushstring(L, module->name);
        lua_pushcclosure(L, load_module, 1);
        lua_setfield(L, -2, module->name);
    }
    return 0;
}

lua_State *vm_open(void)
{
    lua_State *L = luaL_newstate();
    if (L) {
        lua_pushcfunction(L, prepare);
        if (vm_call(L, 0, 0) == 0)
            return L;
    }
    fprintf(stderr, "lunastalk-executor: cannot start Lua: %s\n", L ? lua_tostring(L, -1) : "out of memory");
    exit(EXIT_FAILURE);
}

int vm_call(lua_State *L, int arguments, int results)
{
    return lua_pcall(L, arguments, results, 0);
}
