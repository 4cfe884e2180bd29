#include "command/dev_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int redirect(const char *log)
{
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, STDIN_FILENO) < 0)
        return -1;
    if (!log)
        return 0;
    int output = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    return output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ? -1 : 0;
}

/* Returns only when it fails. */
static void become(pid_t parent, char *const argv[], const char *log, int orphaned)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    setsid();
    prctl(PR_SET_PDEATHSIG, orphaned);
    if (getppid() != parent) // it died before that
        _exit(1);
    if (redirect(log) == 0)
        execvp(argv[0], argv);
}

int dev_child_start(struct dev_child *child, char *const argv[], const char *log, int orphaned)
{
    int ends[2], fault = 0;
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0) {
        become(parent, argv, log, orphaned);
        fault = errno;
        _exit(write(ends[1], &fault, sizeof fault) < 0);
    }
    if (pid < 0)
        fault = errno;
    close(ends[1]);
    // Until it runs its program, which closes the pipe.
    if (pid > 0 && read(ends[0], &fault, sizeof fault) == (ssize_t)sizeof fault)
        waitpid(pid, NULL, 0);
    close(ends[0]);
    child->pid = fault ? 0 : pid;
    return fault;
}

bool dev_child_ended(struct dev_child *child)
{
    if (!child->pid || waitpid(child->pid, &child->status, WNOHANG) != child->pid)
        return false;
    child->pid = 0;
    return true;
}

void dev_child_signal(const struct dev_child *child, int number)
{
    if (child->pid)
        kill(number == SIGKILL ? -child->pid : child->pid, number);
}

void dev_child_story(const struct dev_child *child, struct error *story)
{
    if (WIFSIGNALED(child->status))
        error_set(story, "killed by signal %d (%s)", WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
    else
        error_set(story, "exit code %d", WEXITSTATUS(child->status));
}
