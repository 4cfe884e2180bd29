#ifndef LUNASTALK_LUA_SCRIPT_H
#define LUNASTALK_LUA_SCRIPT_H
/*
 * A Lua script instead of jobs, for `lunastalk lua` and `lunastalk test`: our modules are there, and for the runtime
 * stands lunastalk.fakehost, which notes what a handler asks of it. The configuration is a CONFIG frame on `fd`.
 */

/* argv: the numbers of jobs.retry (max, delay in s), the script ("busted": its runner), its arguments. Never returns. */
_Noreturn void script_run(int fd, int argc, char **argv);

#endif
