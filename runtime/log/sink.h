#ifndef LUNASTALK_LOG_SINK_H
#define LUNASTALK_LOG_SINK_H
/*
 * What a sink is to the log: a class of functions, and what it tells the log of itself. None of them waits. stdout,
 * stderr and files are in this room; log_provide() gives those that need a connection of somebody else's.
 */
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The log's side of a sink. */
struct sink;

/* A record as a sink gets it; all of it is borrowed. */
struct sink_record {
    enum level level;
    uint64_t time_ms; // Unix time
    const char *channel;
    const char *message; // with its placeholders unfilled: the same for each record of a kind
    size_t size;
    const char *line; // as the sink's format has it, with the newline
    size_t line_size;
    const char *filled; // the message with its values, escaped; NULL: the class does not ask for it
    size_t filled_size;
};

struct sink_class {
    bool filled; // it asks for the filled message
    /* `context` is that of log_provide(). The configuration lives until configure() or close(). */
    void *(*open)(void *context, const struct config_sink *config, struct sink *sink);
    /* After a reload: the same sink with other keys. NULL: all that it needs is in its name. */
    void (*configure)(void *state, const struct config_sink *config);
    /* From within it nothing is told to the log: it is writing the record. */
    void (*take)(void *state, const struct sink_record *record);
    /* The end of a turn. True: call again within 100 ms, nothing else will. */
    bool (*flush)(void *state);
    /* The file was renamed. NULL: it has none. */
    void (*reopen)(void *state);
    /*
     * From log_open(), in the running loop, or from log_close(), after which the loop runs once more: writes what it still
     * can, and frees then. Of the sink nothing is told to the log any more, but by sink_lost().
     */
    void (*close)(void *state);
};

extern const struct sink_class sink_stream, sink_file;

/* "stdout", "file /var/log/worker.log": what tells sinks apart, in messages and over a reload. Freed by the caller. */
char *sink_name(const struct config_sink *config);
/*
 * Whether both texts tell of one fault: they are the same but for numbers, such as how long something took. A number behind
 * a colon and a space is a code, and another code another fault.
 */
bool sink_same_fault(const char *a, const char *b);

/* It cannot write: told to the other sinks once per fault, and to stderr once a minute. */
void sink_failed(struct sink *sink, const char *why);
/* The same where somebody else tells. */
void sink_counts_failure(struct sink *sink, const char *why);
/* It has written that many records; `lost` were dropped since it last said so: told to the others, and to itself. */
void sink_wrote(struct sink *sink, unsigned long long records, unsigned long long lost);
/*
 * It is closed, and had these records still: told to the log, or on stderr where that has ended. `kind` and `which` are the
 * name: "file", "/var/log/worker.log".
 */
void sink_lost(const char *kind, const char *which, unsigned long long records);
/* A line, for whoever looks on stderr when the log itself says nothing. False: nobody reads it. */
bool sink_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
