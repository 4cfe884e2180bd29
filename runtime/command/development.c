#include "command/development.h"

#include "base/clock.h"
#include "base/memory.h"
#include "command/command.h"
#include "command/dev_server.h"
#include "command/dev_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 5, QUIET_MS = 30, SERVERS_END_MS = 5000, AGAIN_MS = 1000, MS = 1000 * 1000 };

/*
 * STARTING ─▶ RUNNING ─▶ STOPPING ─▶ CLOSING ─▶ the end
 * the servers  all       the worker  the servers
 */
enum phase { STARTING, RUNNING, STOPPING, CLOSING };

struct development {
    struct config *config;
    const char *program; // our own
    bool allow_root;
    enum phase phase;
    int exit_code;
    struct dev_server servers[DEV_SERVER_KINDS];
    struct dev_child worker;
    struct dev_watch watch;
    char *config_file;    // that is, or would be, read
    uint64_t quiet_ns;    // when nothing more is expected to be saved; 0: nothing was
    uint64_t began_ns;    // of the worker
    bool saved;           // since then
    unsigned signals;     // to end it
    uint64_t deadline_ns; // of the servers' end
    int signal_fd;
};

void development_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("lunastalk dev: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
}

/* ---- the end ---- */

static void close_servers(struct development *dev)
{
    dev->phase = CLOSING;
    dev->deadline_ns = clock_ns() + SERVERS_END_MS * (uint64_t)MS;
    for (int i = 0; i < DEV_SERVER_KINDS; i++)
        dev_child_signal(&dev->servers[i].child, SIGTERM);
}

static void stop(struct development *dev)
{
    if (dev->phase == RUNNING && dev->worker.pid) {
        dev->phase = STOPPING;
        dev_child_signal(&dev->worker, SIGTERM);
    } else if (dev->phase < STOPPING) {
        close_servers(dev);
    }
}

static void fail(struct development *dev)
{
    dev->exit_code = EXIT_FAILED;
    stop(dev);
}

static void kill_all(struct development *dev)
{
    dev_child_signal(&dev->worker, SIGKILL);
    for (int i = 0; i < DEV_SERVER_KINDS; i++)
        dev_child_signal(&dev->servers[i].child, SIGKILL);
    dev->deadline_ns = clock_ns() + SERVERS_END_MS * (uint64_t)MS;
}

/* The second is one more to the worker, which puts its jobs back; whoever sends a third has no time at all. */
static void on_asked(struct development *dev)
{
    if (++dev->signals == 1 && dev->worker.pid)
        development_say("stopping; a second signal cuts running jobs short");
    if (dev->signals > 2)
        kill_all(dev);
    else if (dev->phase == STOPPING)
        dev_child_signal(&dev->worker, SIGTERM);
    else
        stop(dev);
}

/* ---- the worker ---- */

static void launch_worker(struct development *dev)
{
    char beanstalkd[DEV_ADDRESS], redis[DEV_ADDRESS];
    dev_server_address(&dev->servers[DEV_SERVER_BEANSTALKD], beanstalkd);
    dev_server_address(&dev->servers[DEV_SERVER_REDIS], redis);
    const char *command[10] = {dev->program, "run", "--beanstalkd", beanstalkd, "--redis", redis};
    size_t count = 6;
    if (dev->allow_root)
        command[count++] = "--allow-root";
    if (dev->config->file) {
        command[count++] = "--config";
        command[count++] = dev->config->file;
    }
    dev->saved = false;
    dev->began_ns = clock_ns();
    int fault = dev_child_start(&dev->worker, (char *const *)command, NULL, SIGTERM);
    if (fault) {
        development_say("cannot start %s: %s", dev->program, strerror(fault));
        fail(dev);
    }
}

static void start_worker(struct development *dev)
{
    if (access(dev->config->jobs.path, F_OK) != 0 && errno == ENOENT)
        development_say("there is no %s yet: the worker starts when a handler is saved in it", dev->config->jobs.path);
    else
        launch_worker(dev);
}

/* It asks for that by ending well: after an upgrade, or where reload.on_change is `exit`. */
static bool wants_again(const struct development *dev, int exit_code)
{
    return exit_code == EXIT_DONE && clock_ns() > dev->began_ns + AGAIN_MS * (uint64_t)MS;
}

static void on_worker_ended(struct development *dev)
{
    struct error story;
    int exit_code = WIFEXITED(dev->worker.status) ? WEXITSTATUS(dev->worker.status) : -1;
    if (dev->phase != RUNNING) {
        close_servers(dev);
    } else if (wants_again(dev, exit_code) || (exit_code == EXIT_CONFIG && dev->saved)) {
        start_worker(dev);
    } else if (exit_code == EXIT_CONFIG) {
        development_say(
            "the worker starts again when a file in %s or %s is saved", dev->config->jobs.path, dev->config_file);
    } else {
        dev_child_story(&dev->worker, &story);
        development_say("the worker ended by itself: %s", story.text);
        fail(dev);
    }
}

/* ---- the servers ---- */

static void open_project(struct development *dev)
{
    struct error error;
    struct dev state = {.pid = getpid()};
    dev_server_address(&dev->servers[DEV_SERVER_BEANSTALKD], state.beanstalkd);
    dev_server_address(&dev->servers[DEV_SERVER_REDIS], state.redis);
    if (dev_publish(&state, &error) < 0) {
        development_say("%s", error.text);
        fail(dev);
        return;
    }
    development_say("beanstalkd is %s, Redis %s: commands in %s talk to them, your producers put jobs to %s",
        state.beanstalkd, state.redis, dev->config->directory, state.beanstalkd);
    development_say("what is saved in %s runs at once; Ctrl-C ends all of it", dev->config->jobs.path);
    dev->phase = RUNNING;
    start_worker(dev);
}

static void start_servers(struct development *dev)
{
    struct error error;
    int up = 0;
    for (int i = 0; i < DEV_SERVER_KINDS; i++) {
        enum dev_server_state state = dev_server_start(&dev->servers[i], &error);
        if (state == DEV_SERVER_FAILED) {
            development_say("%s", error.text);
            fail(dev);
            return;
        }
        up += state == DEV_SERVER_UP;
    }
    if (up == DEV_SERVER_KINDS)
        open_project(dev);
}

static void look_at_servers(struct development *dev)
{
    struct error story;
    for (int i = 0; i < DEV_SERVER_KINDS; i++) {
        struct dev_server *server = &dev->servers[i];
        if (!dev_child_ended(&server->child) || dev->phase == CLOSING)
            continue;
        dev_child_story(&server->child, &story);
        development_say(
            "%s ended by itself: %s; its log is %s", dev_server_name(server), story.text, dev_server_log(server));
        fail(dev);
    }
}

/* ---- the files ---- */

/* Its servers are ours, whatever it names. */
static void tell_restart(const struct config *former, const struct config *config)
{
    struct buffer paths = {0};
    struct config before = *former;
    before.beanstalkd.server = config->beanstalkd.server;
    before.redis = config->redis;
    config_changes(&before, config, &paths);
    if (buffer_size(&paths))
        development_say("what was changed of %s counts after Ctrl-C and another `lunastalk dev`", buffer_text(&paths));
    buffer_free(&paths);
}

/* jobs.path may have changed. A configuration that is wrong is the worker's to complain of. */
static void follow_config(struct development *dev, struct error *error)
{
    struct buffer errors = {0};
    struct config *config = config_again(dev->config, &errors);
    buffer_free(&errors);
    if (!config)
        return;
    bool moved = strcmp(config->jobs.path, dev->config->jobs.path) != 0;
    struct config *former = dev->config;
    dev->config = config;
    if (dev->worker.pid) // else it is started with this
        tell_restart(former, config);
    if (moved) {
        dev_watch_close(&dev->watch);
        if (dev_watch_open(&dev->watch, config->jobs.path, dev->config_file, error) < 0) {
            development_say("%s", error->text);
            fail(dev);
        }
    }
    dev->watch.jobs = config->jobs.path;
    config_free(former);
}

static void load(struct development *dev)
{
    struct error error;
    dev->quiet_ns = 0;
    follow_config(dev, &error);
    if (dev->phase != RUNNING)
        return;
    dev->saved = true;
    if (dev->worker.pid)
        dev_child_signal(&dev->worker, SIGHUP);
    else
        start_worker(dev);
}

static void look_at_files(struct development *dev)
{
    struct error error;
    int changed = dev_watch_read(&dev->watch, &error);
    if (changed < 0) {
        development_say("%s", error.text);
        fail(dev);
    } else if (changed) { // an editor's save is several events
        dev->quiet_ns = clock_ns() + QUIET_MS * (uint64_t)MS;
    }
}

/* ---- the loop ---- */

static void look_at_signals(struct development *dev)
{
    struct signalfd_siginfo about;
    while (read(dev->signal_fd, &about, sizeof about) == (ssize_t)sizeof about)
        if (about.ssi_signo != SIGCHLD) // which only wakes us
            on_asked(dev);
}

static int wait_ms(const struct development *dev)
{
    uint64_t now = clock_ns(), until = dev->phase == CLOSING ? dev->deadline_ns : dev->quiet_ns;
    if (dev->phase == STARTING)
        return START_MS;
    if (dev->phase == STOPPING || !until)
        return -1;
    return until > now ? (int)((until - now) / MS + 1) : 0;
}

static bool lives(const struct development *dev)
{
    bool any = dev->worker.pid;
    for (int i = 0; i < DEV_SERVER_KINDS; i++)
        any = any || dev->servers[i].child.pid;
    return any || dev->phase != CLOSING;
}

static void turn(struct development *dev)
{
    struct pollfd polled[] = {{dev->signal_fd, POLLIN, 0}, {dev->watch.fd, POLLIN, 0}};
    poll(polled, sizeof polled / sizeof *polled, wait_ms(dev));
    look_at_signals(dev);
    look_at_files(dev);
    if (dev->phase == STARTING)
        start_servers(dev);
    if (dev->phase != STARTING) // one may have ended while the other one started, of which no signal tells again
        look_at_servers(dev);
    if (dev_child_ended(&dev->worker))
        on_worker_ended(dev);
    if (dev->quiet_ns && clock_ns() >= dev->quiet_ns && dev->phase == RUNNING)
        load(dev);
    if (dev->phase == CLOSING && clock_ns() >= dev->deadline_ns)
        kill_all(dev);
}

static int open_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void start(struct development *dev)
{
    struct error error;
    for (int i = 0; i < DEV_SERVER_KINDS; i++)
        dev_server_init(&dev->servers[i], (enum dev_server_kind)i, dev->config->directory, dev->config->redis.db + 1);
    dev->config_file = dev->config->file ? mem_copy(dev->config->file, strlen(dev->config->file))
                                         : mem_printf("%s/config.yml", dev->config->directory);
    dev->signal_fd = open_signals();
    setenv("LUNASTALK_LOG", "[{to: stdout, level: debug}]", 0);
    if (dev_watch_open(&dev->watch, dev->config->jobs.path, dev->config_file, &error) < 0) {
        development_say("%s", error.text);
        fail(dev);
    }
}

int development_run(struct config *config, const char *program, bool allow_root)
{
    struct development dev = {.config = config, .program = program, .allow_root = allow_root};
    start(&dev);
    while (lives(&dev))
        turn(&dev);
    dev_withdraw();
    dev_watch_close(&dev.watch);
    close(dev.signal_fd);
    free(dev.config_file);
    config_free(dev.config);
    return dev.exit_code;
}
