#ifndef LUNASTALK_COMMAND_SESSION_H
#define LUNASTALK_COMMAND_SESSION_H
/*
 * One run of a command that talks to beanstalkd or Redis: its arguments, the configuration, the connections. What goes
 * wrong is said on stderr, and returned as the exit code to leave with.
 */
#include "base/error.h"
#include "command/options.h"
#include "queue/client.h"
#include "redis/client.h"

struct session {
    const char *command;
    struct config *config;
    struct client *client;      // NULL before session_connect()
    struct redis_client *redis; // NULL before session_connect_redis()
    bool told;                  // that a `lunastalk dev` is talked to
    int count;                  // positional arguments
    char **arguments;
};

/* Parses the command line (options_parse). False: leave with *exit_code, there is nothing to close. */
bool session_open(struct session *session, const struct options *options, int argc, char **argv, int *exit_code);
/* Connects to the server that the configuration names. False: what is wrong is said, leave with EXIT_UNREACHABLE. */
bool session_connect(struct session *session);
/*
 * The same for Redis. False: leave with *exit_code, EXIT_CONFIG when the configuration names none. session_try_redis()
 * says nothing of that: it returns EXIT_DONE, or the exit code and `error`.
 */
bool session_connect_redis(struct session *session, int *exit_code);
int session_try_redis(struct session *session, struct error *error);
/* Returns `exit_code`. */
int session_close(struct session *session, int exit_code);

/* A line on stderr that begins with the command; returns EXIT_USAGE. */
int session_misused(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for what the server, or the work, did not do; returns EXIT_UNREACHABLE when a connection is lost. */
int session_failed(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* " --beanstalkd ADDRESS", to be pasted behind a command of ours, or "" when it would find this server without it. */
void session_address(const struct session *session, struct buffer *out);

#endif
