#ifndef LUNASTALK_COMMAND_DEV_SERVER_H
#define LUNASTALK_COMMAND_DEV_SERVER_H
/*
 * beanstalkd or Redis for `lunastalk dev`, on a port of 127.0.0.1 that the project's path tells, so that it is the same
 * each time; on a later one while others have that. Data and log are in .lunastalk/ of the current directory.
 */
#include "command/dev_child.h"
#include "config/dev.h"

#include <stdint.h>

enum dev_server_kind { DEV_SERVER_BEANSTALKD, DEV_SERVER_REDIS, DEV_SERVER_KINDS };
enum dev_server_state { DEV_SERVER_STARTING, DEV_SERVER_UP, DEV_SERVER_FAILED };

struct dev_server {
    enum dev_server_kind kind;
    enum dev_server_state state;
    struct dev_child child;
    unsigned port;
    unsigned databases; // Redis: at least so many
    uint64_t began_ns, retry_ns;
};

/* `project` is its path. */
void dev_server_init(struct dev_server *server, enum dev_server_kind kind, const char *project, unsigned databases);
/* Takes the start a step further, every few milliseconds; once it has FAILED `error` says why. */
enum dev_server_state dev_server_start(struct dev_server *server, struct error *error);
void dev_server_address(const struct dev_server *server, char address[DEV_ADDRESS]);
/* "beanstalkd", "redis-server", and the path of its log. */
const char *dev_server_name(const struct dev_server *server);
const char *dev_server_log(const struct dev_server *server);

#endif
