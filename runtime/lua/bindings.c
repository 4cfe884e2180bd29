#include "lua/bindings.h"

#include "base/clock.h"
#include "base/level.h"
#include "base/suggest.h"
#include "lua/library.h"
#include "lua/scan.h"
#include "lua/source.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { PUT_FIELDS = 5 };

/* Not a light userdata: those hold 47 bits only. */
static struct host *host_of(lua_State *L)
{
    return *(struct host **)lua_touserdata(L, lua_upvalueindex(1));
}

static void push_files(lua_State *L, const struct buffer *files)
{
    lua_newtable(L);
    size_t at = 0;
    for (int i = 1; at < buffer_size(files); i++) {
        lua_pushstring(L, buffer_data(files) + at);
        at += lua_objlen(L, -1) + 1;
        lua_rawseti(L, -2, i);
    }
}

static int host_scan(lua_State *L)
{
    struct scan scan = {0};
    int failed = scan_jobs(&scan, host_of(L)->jobs_path);
    lua_pushstring(L, failed ? NULL : scan.root);
    lua_pushstring(L, failed ? buffer_text(&scan.problem) : scan.shown);
    if (!failed)
        push_files(L, &scan.files);
    scan_free(&scan);
    return failed ? 2 : 3;
}

static int host_closest(lua_State *L)
{
    const char *root = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    char *closest = library_suggest(root, name);
    lua_pushstring(L, closest);
    free(closest);
    return 1;
}

static int host_read(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct buffer text = {0};
    enum source_result result = source_read(path, &text);
    int count = 0;
    if (result == SOURCE_REFUSED)
        lua_pushnil(L), count++;
    if (result != SOURCE_MISSING)
        lua_pushlstring(L, buffer_data(&text), buffer_size(&text)), count++;
    buffer_free(&text);
    return count;
}

static void put_string(lua_State *L, struct wire_writer *writer, int index)
{
    size_t size = 0;
    const char *bytes = lua_tolstring(L, index, &size);
    wire_put_bytes(writer, bytes, size);
}

/* Written at once: the last line before a handler hangs, or is killed, is the one that is looked for. */
static int host_log(lua_State *L)
{
    struct host *host = host_of(L);
    lua_Integer level = luaL_checkinteger(L, 1);
    luaL_checktype(L, 2, LUA_TSTRING);
    luaL_checktype(L, 3, LUA_TTABLE);
    unsigned count = (unsigned)lua_objlen(L, 3) / 3;
    luaL_checkstack(L, 1, "log");

    struct wire_writer writer = wire_begin(&host->link.out, WIRE_LOG);
    wire_put_u64(&writer, host->job.sequence);
    wire_put_u8(&writer, (uint8_t)level);
    wire_put_text(&writer, "");
    put_string(L, &writer, 2);
    wire_put_u32(&writer, count);
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, 3, (int)(3 * i + 1));
        put_string(L, &writer, -1);
        lua_rawgeti(L, 3, (int)(3 * i + 2));
        wire_put_u8(&writer, (uint8_t)lua_tointeger(L, -1));
        lua_rawgeti(L, 3, (int)(3 * i + 3));
        put_string(L, &writer, -1);
        lua_pop(L, 3);
    }
    wire_end(&writer);
    link_send(&host->link);
    return 0;
}

/* An answer that is not as wire.h says is no answer to build on. */
static void check_complete(const struct wire_frame *answer)
{
    if (!wire_complete(answer))
        link_fail("a reply that is cut or too long");
}

static int push_refusal(lua_State *L, struct wire_frame *answer)
{
    size_t message_size, code_size;
    const char *message = wire_get_bytes(answer, &message_size);
    const char *code = wire_get_bytes(answer, &code_size);
    check_complete(answer);
    lua_pushnil(L);
    lua_pushlstring(L, message, message_size);
    lua_pushlstring(L, code, code_size);
    return 3;
}

static uint32_t number_at(lua_State *L, int place)
{
    lua_rawgeti(L, 1, place);
    uint32_t number = (uint32_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static void write_string_at(lua_State *L, struct wire_writer *writer, int place)
{
    lua_rawgeti(L, 1, place);
    put_string(L, writer, -1);
    lua_pop(L, 1);
}

static void write_put(lua_State *L, struct host *host, int first)
{
    struct wire_writer writer = link_request(&host->link, WIRE_PUT, host->job.sequence);
    write_string_at(L, &writer, first);
    for (int i = 1; i <= 3; i++)
        wire_put_u32(&writer, number_at(L, first + i));
    write_string_at(L, &writer, first + 4);
    wire_end(&writer);
}

/* The answer to a put, as { message, code } into the table of problems, or as an id into that of the ids. */
static void keep_answer(lua_State *L, int ids, int problems, int place, struct wire_frame *answer)
{
    size_t size;
    if (wire_get_u8(answer)) {
        const char *id = wire_get_bytes(answer, &size);
        check_complete(answer);
        lua_pushlstring(L, id, size);
        lua_rawseti(L, ids, place);
        return;
    }
    lua_createtable(L, 2, 0);
    int problem = lua_gettop(L);
    push_refusal(L, answer); // stack: problem, nil, message, code
    lua_rawseti(L, problem, 2);
    lua_rawseti(L, problem, 1);
    lua_pop(L, 1);
    lua_rawseti(L, problems, place);
}

/* All are sent before the first answer is waited for. */
static int host_put(lua_State *L)
{
    struct host *host = host_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkstack(L, 8, "put");
    int count = (int)lua_objlen(L, 1) / PUT_FIELDS;
    for (int i = 0; i < count; i++)
        write_put(L, host, PUT_FIELDS * i + 1);
    link_await(&host->link, (unsigned)count);

    uint32_t request, before = host->link.request - (uint32_t)count;
    struct wire_frame answer;
    lua_createtable(L, count, 0);
    lua_newtable(L); // stack: fields, ids, problems
    while (link_reply(&host->link, &request, &answer))
        keep_answer(L, 2, 3, (int)(request - before), &answer);
    return 2;
}

static int host_stats(lua_State *L)
{
    struct host *host = host_of(L);
    struct wire_writer writer = link_request(&host->link, WIRE_STATS, host->job.sequence);
    struct wire_frame answer;
    if (!link_ask(&host->link, &writer, &answer))
        return push_refusal(L, &answer);
    size_t tube_size;
    const char *tube = wire_get_bytes(&answer, &tube_size);
    uint32_t attempt = wire_get_u32(&answer);
    check_complete(&answer);
    lua_pushlstring(L, tube, tube_size);
    lua_pushnumber(L, attempt);
    return 2;
}

/* The runtime answers nothing: what can be done about a lost reservation it does. */
static int host_touch(lua_State *L)
{
    struct host *host = host_of(L);
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_TOUCH);
    wire_put_u64(&writer, host->job.sequence);
    wire_end(&writer);
    link_send(&host->link);
    return 0;
}

static int host_progress(lua_State *L)
{
    struct host *host = host_of(L);
    luaL_checktype(L, 1, LUA_TSTRING);
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_PROGRESS);
    wire_put_u64(&writer, host->job.sequence);
    put_string(L, &writer, 1);
    wire_end(&writer);
    link_send(&host->link);
    return 0;
}

static int host_once(lua_State *L)
{
    struct host *host = host_of(L);
    luaL_checktype(L, 1, LUA_TSTRING);
    uint32_t ttl_s = (uint32_t)luaL_checknumber(L, 2);
    struct wire_writer writer = link_request(&host->link, WIRE_ONCE, host->job.sequence);
    put_string(L, &writer, 1);
    wire_put_u32(&writer, ttl_s);
    struct wire_frame answer;
    if (!link_ask(&host->link, &writer, &answer))
        return push_refusal(L, &answer);
    uint8_t first = wire_get_u8(&answer);
    check_complete(&answer);
    lua_pushboolean(L, first);
    return 1;
}

static int host_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)clock_ns() / 1e9);
    return 1;
}

static int push_made(lua_State *L, int failed, const char *path)
{
    lua_pushstring(L, failed ? NULL : path);
    lua_pushstring(L, failed ? strerror(errno) : NULL);
    return 2;
}

static int host_tempdir(lua_State *L)
{
    char path[PATH_MAX];
    return push_made(L, scratch_directory(&host_of(L)->scratch, path), path);
}

static int host_tmpname(lua_State *L)
{
    char path[PATH_MAX];
    return push_made(L, scratch_file(&host_of(L)->scratch, path), path);
}

/* The closest of a list of names to one, or nil. */
static int host_suggest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_objlen(L, 2);
    const char **names = lua_newuserdata(L, (count + 1) * sizeof *names); // freed also when an error is raised
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        names[i] = luaL_checkstring(L, -1); // the list keeps it
        lua_pop(L, 1);
    }
    lua_pushstring(L, suggest(word, names, count));
    return 1;
}

/* What is called between two jobs when the runtime rings, and before the end: (leaving) → seconds until the next ring. */
static int host_rung(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, HOST_RUNG);
    return 0;
}

/* Has the runtime ring after so many seconds. */
static int host_ring(lua_State *L)
{
    host_want_ring(host_of(L), luaL_checknumber(L, 1), false);
    return 0;
}

void bindings_open(lua_State *L, struct host *host)
{
    static const luaL_Reg functions[] = {{"scan", host_scan}, {"closest", host_closest}, {"read", host_read},
        {"log", host_log}, {"put", host_put}, {"stats", host_stats}, {"touch", host_touch}, {"progress", host_progress},
        {"once", host_once}, {"clock", host_clock}, {"tempdir", host_tempdir}, {"tmpname", host_tmpname},
        {"suggest", host_suggest}, {"rung", host_rung}, {"ring", host_ring}, {NULL, NULL}};
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    lua_newtable(L);
    *(struct host **)lua_newuserdata(L, sizeof host) = host;
    luaL_setfuncs(L, functions, 1);
    lua_pushinteger(L, host->lowest);
    lua_setfield(L, -2, "lowest");
    lua_pushlstring(L, host->settings, host->settings_size);
    lua_setfield(L, -2, "settings");
    lua_setfield(L, -2, "lunastalk.host");
    lua_pop(L, 2);
}
