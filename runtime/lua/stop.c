#include "lua/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

/* All that the signal handler can know: a signal has no context. */
static struct {
    lua_State *L;
    const struct board *board;
    _Atomic uint64_t running;
} process;

bool stop_asked(void)
{
    uint64_t running = atomic_load(&process.running);
    return running && running == atomic_load(&process.board->stop.sequence);
}

/* Runs between two instructions of Lua. Once: whoever catches the error is killed a second later. */
static void on_hook(lua_State *L, lua_Debug *where)
{
    (void)where;
    lua_sethook(L, NULL, 0, 0);
    if (!stop_asked())
        return;
    if (process.board->stop.why == BOARD_LOST)
        lua_pushliteral(L, "its reservation was lost");
    else if (process.board->stop.why == BOARD_CANCELLED)
        lua_pushliteral(L, "cancelled");
    else
        lua_pushfstring(L, "timed out after %f s", process.board->stop.limit_ms / 1000.0);
    lua_error(L);
}

/* A signal that the runtime has not sent does what it always does. */
static void on_signal(int number)
{
    if (stop_asked()) {
        lua_sethook(process.L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    } else if (!atomic_load(&process.board->stop.sequence)) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void stop_open(lua_State *L, const struct board *board)
{
    process.L = L;
    process.board = board;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
}

void stop_expect(uint64_t sequence)
{
    atomic_store(&process.running, sequence);
}
