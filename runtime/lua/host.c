#include "lua/host.h"

#include "base/clock.h"
#include "base/memory.h"
#include "lua/bindings.h"
#include "lua/stop.h"
#include "lua/vm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* The bell rings when so many ends are unreported, or the first has waited so long, or there is nothing to do. */
enum { BELL_JOBS = 16, BELL_NS = 1000 * 1000 };

static void send_text(struct host *host, enum wire_type type, const char *bytes, size_t size)
{
    struct wire_writer writer = wire_begin(&host->link.out, type);
    wire_put_bytes(&writer, bytes, size);
    wire_end(&writer);
}

static _Noreturn void refuse(struct host *host, const char *message, size_t size, int code)
{
    send_text(host, WIRE_REFUSED, message, size);
    link_send(&host->link);
    if (host->L)
        lua_close(host->L);
    exit(code);
}

/* Waits until the runtime has taken what was printed, while it is still known who printed it. */
static void settle_output(struct host *host, uint64_t spent_ns)
{
    if (!console_waits(&host->console, spent_ns))
        return;
    struct wire_writer writer = link_request(&host->link, WIRE_OUTPUT, host->job.sequence);
    struct wire_frame answer;
    link_ask(&host->link, &writer, &answer);
}

static void say_hello(struct host *host)
{
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_HELLO);
    wire_put_u32(&writer, WIRE_VERSION);
    wire_end(&writer);
    link_send(&host->link);
}

bool host_configure(struct host *host, char *problem)
{
    struct wire_frame frame;
    while (!link_first(&host->link, &frame))
        link_fill(&host->link);
    uint32_t version = wire_get_u32(&frame);
    if (frame.type == WIRE_CONFIG && version != WIRE_VERSION) {
        snprintf(problem, HOST_PROBLEM,
            "lunastalk speaks version %u of the wire and lunastalk-executor %d: install both from one build", version,
            WIRE_VERSION);
        return false;
    }
    size_t path_size, scratch_size;
    host->lowest = wire_get_u8(&frame);
    host->memory_limit = wire_get_u64(&frame);
    const char *path = wire_get_bytes(&frame, &path_size);
    const char *settings = wire_get_bytes(&frame, &host->settings_size);
    const char *scratch = wire_get_bytes(&frame, &scratch_size);
    if (frame.type != WIRE_CONFIG || !wire_complete(&frame))
        link_fail("no configuration came first");
    host->jobs_path = mem_copy(path, path_size);
    host->settings = mem_copy(settings, host->settings_size);
    char *directory = mem_copy(scratch, scratch_size);
    scratch_open(&host->scratch, directory);
    free(directory);
    link_drop(&host->link, &frame);
    return true;
}

static void put_outcome(struct host *host, unsigned kind, uint32_t delay_s, const char *reason, size_t reason_size,
    const char *traceback, size_t traceback_size)
{
    char limit[64];
    if (kind == OUTCOME_UNAVAILABLE && (host->memory.refused || stop_asked()))
        kind = OUTCOME_FAILED; // lunastalk.connection took the job's end for one of its `open`
    if (kind == OUTCOME_FAILED && host->memory.refused) {
        reason = limit;
        reason_size = (size_t)snprintf(
            limit, sizeof limit, "memory limit of %llu MB", (unsigned long long)(host->memory_limit >> 20));
    }
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_OUTCOME);
    wire_put_u64(&writer, host->job.sequence);
    wire_put_u8(&writer, (uint8_t)kind);
    wire_put_u32(&writer, delay_s);
    wire_put_bytes(&writer, reason, reason_size);
    wire_put_bytes(&writer, traceback, traceback_size);
    wire_end(&writer);
}

/* Runs host->job. Upvalues: the box of the host, the function made by lunastalk.boot. */
static int run_job(lua_State *L)
{
    struct host *host = *(struct host **)lua_touserdata(L, lua_upvalueindex(1));
    struct host_job *job = &host->job;
    lua_pushvalue(L, lua_upvalueindex(2));
    for (int i = 0; i < HOST_JOB_TEXTS; i++)
        lua_pushlstring(L, job->text[i], job->size[i]);
    lua_call(L, HOST_JOB_TEXTS, 4); // stack: kind, delay, reason, traceback
    unsigned kind = (unsigned)lua_tointeger(L, 1);
    job->success = kind == OUTCOME_SUCCEEDED;
    if (job->success)
        return 0;
    size_t reason_size = 0, traceback_size = 0;
    const char *reason = lua_tolstring(L, 3, &reason_size), *traceback = lua_tolstring(L, 4, &traceback_size);
    put_outcome(host, kind, (uint32_t)lua_tonumber(L, 2), reason, reason_size, traceback, traceback_size);
    return 0;
}

static uint32_t field(lua_State *L, const char *key)
{
    lua_getfield(L, -1, key);
    uint32_t value = (uint32_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The table on top of the stack describes a handler. */
static void send_handler(lua_State *L, struct host *host)
{
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_HANDLER);
    size_t size = 0;
    lua_getfield(L, -1, "name");
    const char *name = lua_tolstring(L, -1, &size);
    wire_put_bytes(&writer, name, size);
    lua_pop(L, 1);
    wire_put_u32(&writer, field(L, "timeout"));
    wire_put_u32(&writer, field(L, "max"));
    wire_put_u32(&writer, field(L, "delay"));
    wire_end(&writer);
}

/* Loads all of Lua's side. Called protected; leaves the function that runs a job. */
static int load(lua_State *L)
{
    struct host *host = *(struct host **)lua_touserdata(L, 1);
    bindings_open(L, host);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunastalk.boot");
    lua_call(L, 1, 1);
    lua_call(L, 0, 2); // stack: box, run, names
    for (int i = 1; i <= (int)lua_objlen(L, 3); i++) {
        lua_rawgeti(L, 3, i);
        send_handler(L, host);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_pushcclosure(L, run_job, 2);
    return 1;
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

static void load_handlers(struct host *host)
{
    lua_State *L = host->L = vm_open();
    memory_open(&host->memory, L, host->memory_limit);
    stop_open(L, host->board);
    lua_pushcfunction(L, load);
    *(struct host **)lua_newuserdata(L, sizeof host) = host;
    if (vm_call(L, 1, 1)) {
        size_t size = 0;
        const char *message = lua_tolstring(L, -1, &size);
        settle_output(host, UINT64_MAX);
        refuse(host, message ? message : "the handlers do not load", message ? size : 24, EX_CONFIG);
    }
    lua_pushcfunction(L, collect); // here: where it is needed there is no memory to make it
    settle_output(host, UINT64_MAX);
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_READY);
    wire_end(&writer);
    link_send(&host->link);
}

/* Dispatch reports every failure of a handler itself: an error that gets here was raised around it (no memory). */
static void call_job(struct host *host)
{
    host->job.success = false;
    lua_pushvalue(host->L, 1);
    if (vm_call(host->L, 0, 0) == 0)
        return;
    size_t size = 0;
    const char *message = lua_tolstring(host->L, -1, &size);
    put_outcome(host, OUTCOME_FAILED, 0, message, size, NULL, 0);
    lua_pop(host->L, 1);
}

/* Not for every short job on its own. */
static void report_end(struct host *host, uint64_t end_ns)
{
    if (++host->link.unreported == 1)
        host->first_end_ns = end_ns;
    if (host->link.unreported == BELL_JOBS || end_ns - host->first_end_ns >= BELL_NS)
        link_send(&host->link);
}

/* The next job is not to pay for this one: what it has left is collected, and if that does not help we are replaced. */
static void regain_memory(struct host *host)
{
    lua_pushvalue(host->L, 2);
    int failed = vm_call(host->L, 0, 0); // a finaliser of the handler's can raise
    lua_settop(host->L, 2);
    if (failed || host->memory.used > host->memory.limit / 2)
        host->link.stopping = true;
}

static void perform(struct host *host)
{
    struct host_job *job = &host->job;
    uint64_t start_ns = clock_ns();
    if (start_ns > job->start_by_ns) {
        board_recall(host->board, job->slot, job->sequence);
        report_end(host, start_ns);
        return;
    }
    if (!board_start(host->board, job->slot, job->sequence, start_ns))
        return; // recalled
    memory_begin(&host->memory);
    stop_expect(job->sequence);
    call_job(host);
    stop_expect(0);
    lua_sethook(host->L, NULL, 0, 0); // one that the handler has set is not to hit the next
    uint64_t end_ns = clock_ns();
    host->board->slots[job->slot].ended_ns = end_ns; // what follows is no longer on the job's time
    settle_output(host, end_ns - start_ns);
    scratch_after(&host->scratch, end_ns - start_ns);
    host->board->slots[job->slot].peak = host->memory.peak;
    if (host->memory.refused)
        regain_memory(host);
    if (!job->success)
        link_send(&host->link); // what the board's FAILED refers to
    board_end(host->board, job->slot, job->sequence, job->success, end_ns);
    report_end(host, end_ns);
}

void host_want_ring(struct host *host, double seconds, bool answers)
{
    struct wire_writer writer = wire_begin(&host->link.out, WIRE_IDLE);
    wire_put_u32(&writer, (uint32_t)ceil(seconds * 1000));
    wire_put_u8(&writer, answers);
    wire_end(&writer);
}

/* Lets Lua close what it keeps between jobs, and says for how long it can keep the rest. */
static void rest(struct host *host, bool leaving)
{
    lua_getfield(host->L, LUA_REGISTRYINDEX, HOST_RUNG);
    if (lua_isfunction(host->L, -1)) {
        lua_pushboolean(host->L, leaving);
        vm_call(host->L, 1, 1); // it catches what the user's functions raise
    }
    if (host->link.rung && !leaving)
        host_want_ring(host, lua_tonumber(host->L, -1), true);
    lua_settop(host->L, 2);
    host->link.rung = false;
}

static void take_job(struct host *host, struct wire_frame *frame)
{
    struct host_job *job = &host->job;
    job->sequence = wire_get_u64(frame);
    job->slot = wire_get_u32(frame);
    job->start_by_ns = wire_get_u64(frame);
    for (int i = 0; i < HOST_JOB_TEXTS; i++)
        job->text[i] = wire_get_bytes(frame, &job->size[i]);
    if (frame->type != WIRE_JOB || !wire_complete(frame))
        link_fail("a frame that is no job");
    perform(host);
    job->sequence = 0;
}

void host_run(int wire, struct board *board)
{
    char problem[HOST_PROBLEM];
    struct host *host = mem_new(sizeof *host);
    host->link.fd = wire;
    host->board = board;
    console_open(&host->console);
    say_hello(host);
    if (!host_configure(host, problem))
        refuse(host, problem, strlen(problem), EX_SOFTWARE);
    load_handlers(host);
    while (!host->link.stopping) {
        struct wire_frame frame;
        if (host->link.rung) {
            rest(host, false);
            settle_output(host, UINT64_MAX); // what was printed is of no job
        } else if (link_first(&host->link, &frame)) {
            take_job(host, &frame);
            link_drop(&host->link, &frame);
        } else {
            link_send(&host->link);
            scratch_idle(&host->scratch);
            link_fill(&host->link);
        }
    }
    link_send(&host->link);
    rest(host, true);
    link_send(&host->link);
    lua_close(host->L);
    exit(EXIT_SUCCESS);
}
