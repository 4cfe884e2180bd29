#ifndef LUNASTALK_LUA_HOST_H
#define LUNASTALK_LUA_HOST_H
/*
 * The executor's loop: says hello, takes its configuration, loads the handlers, then runs one job after the other as
 * they come over the wire, telling their states on the board.
 */
#include "executor/board.h"
#include "lua/link.h"
#include "lua/console.h"
#include "lua/memory.h"
#include "lua/scratch.h"

#include <lua.h>

enum { HOST_JOB_TEXTS = 5 };

struct host_job {
    uint64_t sequence; // 0: no job runs
    unsigned slot;
    uint64_t start_by_ns;             // later its reservation may be lost
    const char *text[HOST_JOB_TEXTS]; // server, id, name, tube, body: inside link.in, good until Lua runs
    size_t size[HOST_JOB_TEXTS];
    bool success; // how it ended
};

struct host {
    struct link link;
    struct console console;
    struct memory memory;
    struct scratch scratch;
    struct board *board;
    lua_State *L; // stack, once all is loaded: a function that runs host->job
    char *jobs_path;
    char *settings; // JSON
    size_t settings_size;
    uint64_t memory_limit; // bytes; 0: none
    unsigned lowest;       // log records below this level go nowhere
    struct host_job job;
    uint64_t first_end_ns; // of the ends that no bell has reported
};

#define HOST_RUNG "lunastalk.rung" // key in the registry: Lua's function for RING, if there is one

/* Appends the IDLE frame; 0 seconds: no ring. It leaves with the next link_send(). */
void host_want_ring(struct host *host, double seconds, bool answers);

enum { HOST_PROBLEM = 128 };
/*
 * Waits for CONFIG on host->link.fd and takes it. False, with `problem` of HOST_PROBLEM bytes: the runtime speaks another
 * version of the wire.
 */
bool host_configure(struct host *host, char *problem);

/* Never returns: exits 0 after a STOP, 78 when a handler does not load, 70 when runtime and executor do not agree. */
_Noreturn void host_run(int wire, struct board *board);

#endif
