#ifndef LUNASTALK_LUA_BINDINGS_H
#define LUNASTALK_LUA_BINDINGS_H
/*
 * What our Lua modules get from C: require "lunastalk.host". Private: handlers use lunastalk.log, lunastalk.queue …
 *
 *   lowest, settings                            of CONFIG: the level as a number, the settings as JSON text
 *   scan() → root, shown, files | nil, message  the handler files (scan.h)
 *   closest(root, name) → name | nil            the module in lib/ with a name like it (library.h)
 *   read(path) → text | nil, problem | nil      a Lua file (source.h); nothing at all when it is missing
 *   log(level, message, fields)                 fields: a list of key, enum wire_value, value, key, …
 *   put(fields) → ids, problems                 fields: a list of tube, priority, delay, ttr, body, tube, … of jobs to put
 *                                               in one go; ids: place of the job → id; problems: place → { message, code }
 *   stats() → tube, attempt | nil, message, code   of the job that runs
 *   touch()                                     renews its reservation and its time; no answer
 *   progress(json)                              how far it has come; no answer
 *   once(key, ttl) → first | nil, message, code whether it is the first to name the key
 *   clock()                                     seconds that only grow
 *   tempdir() → path | nil, message             a new directory that goes after the job
 *   tmpname() → path | nil, message             a new file, likewise
 */
#include "lua/host.h"

/* Makes the module and puts it into package.loaded. */
void bindings_open(lua_State *L, struct host *host);

#endif
