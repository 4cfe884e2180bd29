#ifndef LUNASTALK_LOG_LOG_H
#define LUNASTALK_LOG_LOG_H
/*
 * The log: records with a PSR-3 level, a message with {placeholders} and a context of fields, handed to every sink
 * whose level they reach. One record is one line. A sink never blocks: what cannot be written now is kept in bounded
 * memory; log_flush() (once per loop turn, and at the end) writes.
 *
 *     LOG(LEVEL_WARNING, "cannot reach {server}: {error}", F_TEXT("server", name), F_TEXT("error", why));
 *
 * Fields that no placeholder names stand behind the message as key=value. The log is the one file-static of the
 * runtime.
 */
#include "base/level.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct sink_class;
struct uv_loop_s;

struct log_field {
    const char *key; // NULL ends a list of fields
    enum { LOG_TEXT, LOG_LITERAL, LOG_NUMBER, LOG_SECONDS, LOG_ID } kind;
    const char *text; // TEXT and LITERAL (JSON)
    size_t size;
    uint64_t number; // NUMBER; SECONDS in ns; ID: JSON has it as a string, since it may be over 2^53
    bool of_job;     // tells which job the record is about: job/fields.h
    bool more;       // behind the others, and not in the coloured lines of a terminal
};

#define F_BYTES(k, bytes, length) ((struct log_field){.key = (k), .kind = LOG_TEXT, .text = (bytes), .size = (length)})
#define F_TEXT(k, string)         log_field_text((k), (string))
#define F_NUMBER(k, value)        ((struct log_field){.key = (k), .kind = LOG_NUMBER, .number = (value)})
#define F_ID(k, value)            ((struct log_field){.key = (k), .kind = LOG_ID, .number = (value)})
/* A duration in ns, shown as seconds. */
#define F_SECONDS(k, ns) ((struct log_field){.key = (k), .kind = LOG_SECONDS, .number = (ns)})

struct log_field log_field_text(const char *key, const char *text);

/*
 * Who writes: stands in each record, but for the coloured lines of a terminal. Before the first record; copied.
 */
void log_identify(const char *worker, const char *instance);
/* The sinks of a kind (enum config_sink_kind) that this room has not: before log_open(). `context` is for its open(). */
void log_provide(unsigned kind, const struct sink_class *class, void *context);
/*
 * Opens the sinks of config->log: before the first record, and again with each reload, instead of those that are open.
 * What both have goes on as it is. The configuration lives until log_close() or the next log_open() has returned.
 */
void log_open(struct uv_loop_s *loop, const struct config *config);
/* After the loop has run out, which has to run once more then: what the sinks still have is written. */
void log_close(void);
/* The lowest level that any sink of config->log takes. */
unsigned log_lowest_of(const struct config *config);
/* The lowest level that any sink takes; LEVEL_COUNT when there is no sink. */
unsigned log_lowest(void);
static inline bool log_takes(enum level level)
{
    return level >= log_lowest();
}

/* One record. `channel` is "worker" or the handler's name; `fields` ends with a field without key. */
void log_write(enum level level, const char *channel, const char *message, size_t size, const struct log_field *fields);

#define LOG(level, message, ...)                                                                                       \
    log_write(                                                                                                         \
        (level), "worker", (message), sizeof(message) - 1, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

/* The job (struct job's id) has ended: what sinks with `buffer: true` hold of it is written when it `failed`, else dropped. */
void log_job_ended(uint64_t id, bool failed);

/* Files were renamed: the next record goes to a new one. */
void log_reopen(void);
/* Writes what the sinks hold, as far as that needs no waiting. True when something is left: call again in 100 ms. */
bool log_flush(void);

/* What a sink has done so far. */
struct log_account {
    const char *name; // "stdout", "file /var/log/worker.log"
    enum level level;
    unsigned long long taken, written, lost; // records
    const char *fault;                       // "" while it works
};

void log_accounts(void (*visit)(void *context, const struct log_account *account), void *context);

#endif
