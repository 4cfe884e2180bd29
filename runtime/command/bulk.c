#include "command/bulk.h"

#include "base/escape.h"
#include "command/command.h"
#include "command/lines.h"
#include "command/progress.h"
#include "job/envelope.h"

#include <string.h>

enum { REASONS_SHOWN = 20 };

struct import {
    struct session *session;
    struct client_put put;
    struct bulk *bulk;
    struct lines lines;
    struct progress progress;
    uint64_t first_unknown, last_unknown, first_unsent; // line numbers
};

static uint64_t count_all(const struct bulk *bulk)
{
    return bulk->accepted + bulk->refused + bulk->unknown;
}

static void refuse(struct import *import, uint64_t line, const char *why)
{
    struct buffer text = {0};
    if (++import->bulk->refused > REASONS_SHOWN)
        return;
    escape_append(&text, why, strlen(why), ESCAPE_LINE);
    progress_clear(&import->progress);
    fprintf(stderr, "line %llu: %s\n", (unsigned long long)line, buffer_text(&text));
    buffer_free(&text);
}

static void on_done(void *context, uint64_t line, enum client_put_result result, uint64_t id, const char *why)
{
    struct import *import = context;
    (void)id;
    switch (result) {
    case CLIENT_PUT_ACCEPTED: import->bulk->accepted++; break;
    case CLIENT_PUT_REFUSED: refuse(import, line, why); break;
    case CLIENT_PUT_UNKNOWN:
        import->first_unknown = import->bulk->unknown++ ? import->first_unknown : line;
        import->last_unknown = line;
        break;
    }
    progress_show(&import->progress, import->lines.bytes_read, count_all(import->bulk));
}

static bool is_blank(const char *line, size_t size)
{
    size_t at = 0;
    while (at < size && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return at == size;
}

/* Puts the line, or refuses it. -1 and `error` when the connection is lost and the line was not sent. */
static int put_line(struct import *import, const char *line, size_t size, struct error *error)
{
    struct envelope envelope;
    struct error why;
    int result = line ? 0 : error_set(&why, "longer than %d MB", LINES_LONGEST / 1024 / 1024);
    if (line && is_blank(line, size))
        return 0;
    if (line)
        result = envelope_parse(&envelope, line, size, &why);
    if (result < 0) {
        refuse(import, import->lines.number, why.text);
        return 0;
    }
    envelope_free(&envelope);
    import->put.body = line;
    import->put.size = size;
    import->first_unsent = import->lines.number;
    return client_put_later(import->session->client, &import->put, import->lines.number, on_done, import, error);
}

/*
 * Before it waits for more lines, those that were put are confirmed: a pipe may drip for longer than a reply has time.
 * 0, or -1 and `error`: the connection is lost, or the lines cannot be read.
 */
static int put_lines(struct import *import, struct error *error)
{
    struct lines *lines = &import->lines;
    struct client *client = import->session->client;
    const char *line;
    size_t size;
    while (!lines->ended) {
        if ((lines_would_wait(lines) && client_finish(client, error) < 0) || lines_read(lines, error) < 0)
            return -1;
        while (lines_next(lines, &line, &size)) {
            if (put_line(import, line, size, error) < 0)
                return -1;
            import->first_unsent = lines->number + 1;
        }
    }
    return client_finish(client, error);
}

/* What the counts do not say. */
static void report(const struct import *import, bool lost)
{
    const struct bulk *bulk = import->bulk;
    if (bulk->refused > REASONS_SHOWN)
        fprintf(stderr, "and %llu lines more\n", (unsigned long long)(bulk->refused - REASONS_SHOWN));
    if (bulk->unknown)
        fprintf(stderr, "lines %llu to %llu: sent, but whether they were accepted is not known\n",
            (unsigned long long)import->first_unknown, (unsigned long long)import->last_unknown);
    if (lost && !import->lines.ended)
        fprintf(stderr, "line %llu and all behind it: not sent\n", (unsigned long long)import->first_unsent);
}

static int put_file(struct import *import)
{
    struct error error, lost;
    struct client *client = import->session->client;
    import->first_unsent = 1;
    progress_start(&import->progress, lines_total(&import->lines));
    int result = put_lines(import, &error);
    client_finish(client, &lost);
    progress_clear(&import->progress);
    int exit_code = import->bulk->refused ? EXIT_FAILED : EXIT_DONE;
    if (result < 0)
        exit_code = session_failed(import->session, "%s", error.text);
    report(import, client_lost(client));
    return exit_code;
}

int bulk_put(struct session *session, const char *path, const struct client_put *put, struct bulk *bulk)
{
    struct error error;
    struct import import = {.session = session, .put = *put, .bulk = bulk};
    *bulk = (struct bulk){0};
    if (lines_open(&import.lines, path, &error) < 0)
        return session_failed(session, "%s", error.text);
    int exit_code = session_connect(session) ? put_file(&import) : EXIT_UNREACHABLE;
    lines_close(&import.lines);
    return exit_code;
}
