/*
 * lunastalk-executor: runs handlers for one lunastalk, which starts it with its pid as the argument, the wire on fd 3,
 * the board on fd 4 and /dev/null and two pipes on 0 to 2. Or, with --script, a script (script.h): the wire is a file then.
 */
#include "lua/host.h"
#include "lua/script.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

enum { WIRE = 3, BOARD = 4, FIRST_FOREIGN = 5 };

/* What the runtime's libraries left open without close-on-exec. */
static void close_foreign(void)
{
    if (syscall(SYS_close_range, FIRST_FOREIGN, ~0U, 0) == 0)
        return;
    for (int fd = FIRST_FOREIGN; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
        close(fd);
}

static void on_parent_death(int signal)
{
    (void)signal;
    kill(0, SIGKILL);
}

/*
 * The whole group goes with the runtime, whatever it computes: a handler for the signal, because SIGKILL as the signal
 * would leave programs behind that a handler started. The pid is compared last: it may have died before prctl().
 */
static void tie_to(pid_t runtime)
{
    int death = SIGRTMIN;
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    sigaction(death, &(struct sigaction){.sa_handler = on_parent_death}, NULL);
    prctl(PR_SET_PDEATHSIG, death);
    if (getppid() != runtime)
        _exit(EX_SOFTWARE);
}

/* Where memory runs out, the kernel shall end a handler and not the runtime or the database. */
static void offer_to_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1000", 4) < 0)
        return; // nothing depends on it
    close(fd);
}

static struct board *map_board(void)
{
    struct stat about;
    if (fstat(BOARD, &about) < 0 || about.st_size < BOARD_SIZE)
        link_fail("no board on descriptor 4");
    void *board = mmap(NULL, BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, BOARD, 0);
    if (board == MAP_FAILED)
        link_fail("cannot map the board");
    return board;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--script") == 0) {
        signal(SIGPIPE, SIG_DFL);
        fcntl(WIRE, F_SETFD, FD_CLOEXEC);
        script_run(WIRE, argc - 2, argv + 2);
    }
    pid_t runtime = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
    if (runtime <= 0) {
        fputs("lunastalk-executor is started by lunastalk: use `lunastalk run`\n", stderr);
        return EX_USAGE;
    }
    close_foreign();
    fcntl(WIRE, F_SETFD, FD_CLOEXEC);
    fcntl(BOARD, F_SETFD, FD_CLOEXEC);
    fcntl(WIRE, F_SETFL, fcntl(WIRE, F_GETFL) & ~O_NONBLOCK);
    tie_to(runtime);
    offer_to_oom_killer();
    host_run(WIRE, map_board());
}
