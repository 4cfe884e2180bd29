#include "command/dev_server.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The ports are below those that systems give to outgoing connections (from 32768 on). Pairs: beanstalkd has the first. */
enum { FIRST_PORT = 20000, PAIRS = 5000, TRIES = 200 };
enum { RETRY_MS = 50, START_MS = 3000, ANSWER_MS = 60 * 1000, REPLY_MS = 100, REPLY_MOST = 4096 };

static const struct {
    const char *name, *package, *directory, *log;
    const char *question, *answer; // what it is asked, and what stands before its pid in the reply
} kinds[DEV_SERVER_KINDS] = {
    [DEV_SERVER_BEANSTALKD] = {"beanstalkd", "beanstalkd", DEV_DIRECTORY "/beanstalkd", DEV_DIRECTORY "/beanstalkd.log",
        "stats\r\n", "\npid: "},
    [DEV_SERVER_REDIS] = {"redis-server", "redis-server", DEV_DIRECTORY "/redis", DEV_DIRECTORY "/redis.log",
        "INFO server\r\n", "\nprocess_id:"},
};

static unsigned usual_port(const char *project)
{
    uint32_t hash = 2166136261; // FNV-1a
    for (; *project; project++)
        hash = (hash ^ (unsigned char)*project) * 16777619;
    return FIRST_PORT + hash % PAIRS * DEV_SERVER_KINDS;
}

void dev_server_init(struct dev_server *server, enum dev_server_kind kind, const char *project, unsigned databases)
{
    *server = (struct dev_server){.kind = kind, .port = usual_port(project) + kind, .databases = databases};
    server->began_ns = clock_ns();
}

static struct sockaddr_in place_of(const struct dev_server *server)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool is_free(const struct dev_server *server)
{
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in place = place_of(server);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool taken = bind(fd, (struct sockaddr *)&place, sizeof place) != 0 && errno == EADDRINUSE;
    close(fd);
    return !taken;
}

static void find_port(struct dev_server *server)
{
    for (unsigned i = 0; i < TRIES && !is_free(server); i++)
        server->port += DEV_SERVER_KINDS;
}

/* ---- whether it answers ---- */

/* The pid that the reply names; 0: none does. */
static pid_t ask(int fd, const char *question, const char *answer)
{
    char reply[REPLY_MOST + 1];
    size_t size = 0;
    ssize_t got;
    if (send(fd, question, strlen(question), MSG_NOSIGNAL) < 0)
        return 0;
    while (size < REPLY_MOST && (got = recv(fd, reply + size, REPLY_MOST - size, 0)) > 0) {
        size += (size_t)got;
        reply[size] = '\0';
        const char *found = strstr(reply, answer);
        if (found && strchr(found + 1, '\n'))
            return (pid_t)strtol(found + strlen(answer), NULL, 10);
    }
    return 0;
}

/* Whether it is our own that answers there: somebody else may have been faster with the port. */
static bool answers(const struct dev_server *server)
{
    struct timeval limit = {.tv_usec = REPLY_MS * 1000};
    struct sockaddr_in place = place_of(server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bool own = connect(fd, (struct sockaddr *)&place, sizeof place) == 0 &&
               ask(fd, kinds[server->kind].question, kinds[server->kind].answer) == server->child.pid;
    close(fd);
    return own;
}

/* ---- its life ---- */

static int launch(struct dev_server *server)
{
    char port[8], databases[12];
    const char *directory = kinds[server->kind].directory;
    snprintf(port, sizeof port, "%u", server->port);
    snprintf(databases, sizeof databases, "%u", server->databases > 16 ? server->databases : 16);
    // Redis saves what it has when it ends, and else now and then: these are failures and records of a developer.
    const char *const commands[DEV_SERVER_KINDS][20] = {
        [DEV_SERVER_BEANSTALKD] = {"beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", directory},
        [DEV_SERVER_REDIS] = {"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", directory, "--save",
            "300", "1", "--stop-writes-on-bgsave-error", "no", "--databases", databases},
    };
    if (mkdir(directory, S_IRWXU) != 0 && errno != EEXIST)
        return errno;
    // At SIGTERM Redis stays when it cannot save; then only dev would be there to insist.
    return dev_child_start(&server->child, (char *const *)commands[server->kind], kinds[server->kind].log, SIGKILL);
}

static enum dev_server_state fail(struct dev_server *server)
{
    return server->state = DEV_SERVER_FAILED;
}

static enum dev_server_state fail_to_launch(struct dev_server *server, int fault, struct error *error)
{
    if (fault == ENOENT)
        error_set(error, "there is no %s here: apt install %s", kinds[server->kind].name, kinds[server->kind].package);
    else
        error_set(error, "cannot start %s: %s", kinds[server->kind].name, strerror(fault));
    return fail(server);
}

/* Its own last words. */
static enum dev_server_state fail_to_run(struct dev_server *server, struct error *error)
{
    char text[513];
    int fd = open(dev_server_log(server), O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    ssize_t size = fd < 0 ? 0 : pread(fd, text, sizeof text - 1, end > 512 ? end - 512 : 0);
    close(fd);
    while (size > 0 && text[size - 1] == '\n')
        size--;
    text[size > 0 ? size : 0] = '\0';
    const char *line = strrchr(text, '\n');
    error_set(error, "%s does not start: %s; its log is %s", dev_server_name(server), line ? line + 1 : text,
        dev_server_log(server));
    return fail(server);
}

/* It may have lost a port to somebody else, or one that dev has left behind, killed, holds its data for a moment. */
static enum dev_server_state start_again(struct dev_server *server, struct error *error)
{
    if (clock_ns() < server->retry_ns)
        return DEV_SERVER_STARTING;
    if (clock_ns() > server->began_ns + START_MS * UINT64_C(1000000))
        return fail_to_run(server, error);
    find_port(server);
    int fault = launch(server);
    return fault ? fail_to_launch(server, fault, error) : DEV_SERVER_STARTING;
}

enum dev_server_state dev_server_start(struct dev_server *server, struct error *error)
{
    if (server->state != DEV_SERVER_STARTING)
        return server->state;
    if (!server->child.pid)
        return start_again(server, error);
    if (dev_child_ended(&server->child)) {
        server->retry_ns = clock_ns() + RETRY_MS * UINT64_C(1000000);
        return DEV_SERVER_STARTING;
    }
    if (answers(server))
        return server->state = DEV_SERVER_UP;
    if (clock_ns() < server->began_ns + ANSWER_MS * UINT64_C(1000000))
        return DEV_SERVER_STARTING;
    dev_child_signal(&server->child, SIGKILL);
    return fail_to_run(server, error);
}

void dev_server_address(const struct dev_server *server, char address[DEV_ADDRESS])
{
    snprintf(address, DEV_ADDRESS, "127.0.0.1:%u", server->port);
}

const char *dev_server_name(const struct dev_server *server)
{
    return kinds[server->kind].name;
}

const char *dev_server_log(const struct dev_server *server)
{
    return kinds[server->kind].log;
}
