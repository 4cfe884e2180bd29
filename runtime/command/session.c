#include "command/session.h"

#include "base/escape.h"
#include "command/command.h"
#include "config/secret.h"

#include <stdarg.h>
#include <string.h>

bool session_open(struct session *session, const struct options *options, int argc, char **argv, int *exit_code)
{
    *session = (struct session){.command = options->command, .arguments = argv};
    session->config = options_parse(options, argc, argv, &session->count, exit_code);
    return session->config;
}

/* Where the jobs go, once. */
static void tell_dev(struct session *session, bool by_dev)
{
    if (by_dev && !session->told)
        options_tell_dev(session->command, session->config);
    session->told = session->told || by_dev;
}

/* That of no project: nothing named another, and no `lunastalk dev` lives. */
static bool is_usual(const struct session *session)
{
    return strcmp(session->config->beanstalkd.server, "127.0.0.1:11300") == 0 && !session->config->dev.beanstalkd;
}

bool session_connect(struct session *session)
{
    struct error error;
    tell_dev(session, session->config->dev.beanstalkd);
    session->client = client_open(session->config->beanstalkd.server, &error);
    if (!session->client)
        session_failed(session, "%s%s", error.text,
            is_usual(session) ? "; `lunastalk dev` starts a beanstalkd for this project, --beanstalkd names another"
                              : "");
    return session->client;
}

int session_try_redis(struct session *session, struct error *error)
{
    char password[SECRET_ROOM];
    const struct config *config = session->config;
    if (!config->redis.server) {
        error_set(error, "no Redis is configured: redis.server in config.yml (redis: { server: 127.0.0.1:6379 }), "
                         "LUNASTALK_REDIS_SERVER or --redis");
        return EXIT_CONFIG;
    }
    if (secret_read(password, "redis.password", config->redis.password, config->redis.password_file, error) < 0)
        return EXIT_CONFIG;
    tell_dev(session, config->dev.redis);
    session->redis = redis_client_open(config, password, error);
    return session->redis ? EXIT_DONE : EXIT_UNREACHABLE;
}

bool session_connect_redis(struct session *session, int *exit_code)
{
    struct error error;
    *exit_code = session_try_redis(session, &error);
    if (*exit_code != EXIT_DONE)
        session_failed(session, "%s", error.text);
    return *exit_code == EXIT_DONE;
}

int session_close(struct session *session, int exit_code)
{
    client_close(session->client);
    redis_client_close(session->redis);
    config_free(session->config);
    return exit_code;
}

__attribute__((format(printf, 2, 0))) static void complain(
    const struct session *session, const char *format, va_list arguments)
{
    char text[2048];
    struct buffer line = {0};
    int size = vsnprintf(text, sizeof text, format, arguments);
    escape_append(&line, text, size < (int)sizeof text ? (size_t)size : sizeof text - 1, ESCAPE_LINE);
    fprintf(stderr, "lunastalk %s: %s\n", session->command, buffer_text(&line));
    buffer_free(&line);
}

int session_misused(const struct session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(session, format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int session_failed(const struct session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(session, format, arguments);
    va_end(arguments);
    bool lost =
        (session->client && client_lost(session->client)) || (session->redis && redis_client_lost(session->redis));
    return lost ? EXIT_UNREACHABLE : EXIT_FAILED;
}

/* In quotes where a shell would see more than a word. */
static void append_word(struct buffer *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./:_-";
    if (word[strspn(word, plain)] == '\0') {
        buffer_append_text(out, word);
        return;
    }
    buffer_append_text(out, "'");
    for (; *word; word++)
        buffer_append(out, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    buffer_append_text(out, "'");
}

void session_address(const struct session *session, struct buffer *out)
{
    const char *server = session->config->beanstalkd.server;
    if (is_usual(session) || session->config->dev.beanstalkd)
        return;
    buffer_append_text(out, " --beanstalkd ");
    append_word(out, server);
}
