#include "lua/script.h"

#include "base/files.h"
#include "job/policy.h"
#include "lua/bindings.h"
#include "lua/vm.h"

#include <lauxlib.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { RETRY_MAX, RETRY_DELAY, SCRIPT, LEAST_ARGUMENTS };

static char directory[PATH_MAX]; // for temporary files
static struct scratch of_specs, of_jobs;

static pid_t maker; // of the directory: a child that a spec forks leaves it alone

static void remove_directory(void)
{
    if (getpid() == maker)
        files_remove(directory, true);
}

/* Ctrl-C ends a test run often enough. What removes the directory may not be called here: a program does it. */
static void on_signal(int number)
{
    if (getpid() == maker && fork() == 0) {
        execl("/bin/rm", "rm", "-rf", "--", directory, NULL);
        _exit(EX_OSERR);
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Those of the job that runs are in job/, so that the spec's own stay. */
static void make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    char job[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/lunastalk-test-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(directory))
        return; // who asks for one gets an error
    maker = getpid();
    atexit(remove_directory);
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (signal(numbers[i], on_signal) == SIG_IGN)
            signal(numbers[i], SIG_IGN); // nohup
    if (snprintf(job, sizeof job, "%s/job", directory) >= PATH_MAX || mkdir(job, 0700) != 0)
        return;
    scratch_open(&of_jobs, job);
    scratch_open(&of_specs, directory);
}

/* after(outcome, buries, max, delay, asked delay, bury, random) → verb, delay, attempt: policy.h, in numbers. */
static int host_after(lua_State *L)
{
    const struct policy_input input = {
        .outcome = (enum policy_outcome)luaL_checkinteger(L, 1),
        .buries = (uint64_t)luaL_checknumber(L, 2),
        .retry = {.max = (unsigned)luaL_checknumber(L, 3), .delay_s = (unsigned)luaL_checknumber(L, 4)},
        .delay_s = (uint32_t)luaL_checknumber(L, 5),
        .bury = lua_toboolean(L, 6),
        .random = (uint32_t)luaL_checknumber(L, 7),
    };
    struct policy_decision decision = policy_decide(&input);
    lua_pushinteger(L, (lua_Integer)decision.verb);
    lua_pushnumber(L, decision.delay_s);
    lua_pushnumber(L, decision.attempt);
    return 3;
}

static struct scratch *scratch_of(lua_State *L)
{
    return &(*(struct host **)lua_touserdata(L, lua_upvalueindex(1)))->scratch;
}

static void use(struct scratch *scratch, const struct scratch *other)
{
    *scratch = *other;
    setenv("TMPDIR", other->path, 1);
}

/* A job begins. */
static int host_begin(lua_State *L)
{
    use(scratch_of(L), &of_jobs);
    return 0;
}

/* It has ended: its temporary files go. */
static int host_tidy(lua_State *L)
{
    scratch_idle(scratch_of(L));
    use(scratch_of(L), &of_specs);
    return 0;
}

static void push_arguments(lua_State *L, int argc, char **argv)
{
    lua_createtable(L, argc, 0);
    for (int i = SCRIPT; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - SCRIPT);
    }
}

struct script {
    struct host *host;
    int argc;
    char **argv;
};

/* Called protected, with a struct script. */
static int run(lua_State *L)
{
    const struct script *script = *(struct script **)lua_touserdata(L, 1);
    bindings_open(L, script->host);
    static const luaL_Reg functions[] = {
        {"after", host_after},
        {"begin", host_begin},
        {"tidy", host_tidy},
        {NULL, NULL},
    };
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunastalk.host");
    lua_call(L, 1, 1);
    *(struct host **)lua_newuserdata(L, sizeof script->host) = script->host;
    luaL_setfuncs(L, functions, 1);
    push_arguments(L, script->argc, script->argv);
    lua_setglobal(L, "arg");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lunastalk.script");
    lua_call(L, 1, 1);
    lua_pushstring(L, script->argv[RETRY_MAX]);
    lua_pushstring(L, script->argv[RETRY_DELAY]);
    lua_call(L, 2, 0);
    return 0;
}

void script_run(int fd, int argc, char **argv)
{
    static struct host host;
    char problem[HOST_PROBLEM];
    host.link.fd = fd;
    if (argc < LEAST_ARGUMENTS || !host_configure(&host, problem)) {
        fprintf(stderr, "lunastalk-executor: %s\n", argc < LEAST_ARGUMENTS ? "no script" : problem);
        exit(EX_SOFTWARE);
    }
    make_directory();
    host.scratch = of_specs;
    lua_State *L = vm_open();
    struct script script = {&host, argc, argv};
    lua_pushcfunction(L, run);
    *(struct script **)lua_newuserdata(L, sizeof(struct script *)) = &script;
    if (vm_call(L, 1, 0)) {
        const char *message = lua_tostring(L, -1);
        fprintf(stderr, "lunastalk: %s\n", message ? message : "an error without text");
        exit(EXIT_FAILURE);
    }
    lua_close(L);
    exit(EXIT_SUCCESS);
}
