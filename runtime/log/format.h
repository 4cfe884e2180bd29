#ifndef LUNASTALK_LOG_FORMAT_H
#define LUNASTALK_LOG_FORMAT_H
/*
 * Records as text. One record is one line, whatever is in it: it is escaped as base/escape.h says. Keys and values that
 * do not end at the next blank stand in double quotes, and there " and \ have a backslash before them.
 */
#include "base/escape.h"
#include "log/log.h"

enum {
    FORMAT_VALUE_LONGEST = 32 * 1024, // of the message and of each value, before they are escaped
    FORMAT_LINE_LONGEST = 256 * 1024, // once it is reached no more values are put, and "…" ends the line
};

/* Appends the message alone, its placeholders filled (PSR-3, 1.2). Returns which of the first 64 fields it has used. */
uint64_t format_message(
    struct buffer *out, const char *message, size_t size, const struct log_field *fields, enum escape_mode mode);

/* Appends the text, escaped, and cut at FORMAT_VALUE_LONGEST with a mark. */
void format_text(struct buffer *out, const char *text, size_t size, enum escape_mode mode);
/* Appends "2026-11-24T03:42:57" (UTC) and the milliseconds, ".123". */
void format_time(struct buffer *out, uint64_t time_ms);

/* A record; `time_ms` is Unix time. */
struct format_record {
    uint64_t time_ms;
    enum level level;
    const char *channel;
    const char *message;
    size_t size;
    const struct log_field *fields;
};

/*
 * Into the empty `out`: "2026-11-24T03:42:57.123Z error send_email: message key=value\n"; `coloured`: the level is.
 * `origin` stands at its end: "" or " workerId=web1_worker1".
 */
void format_line(struct buffer *out, const struct format_record *record, bool coloured, const char *origin);
/*
 * Into the empty `out`: an object with the names of Monolog's JsonFormatter, and a newline. What tells of the job stands
 * in its "extra", behind `origin`: members of JSON, "" or "\"workerId\":\"web1_worker1\"".
 */
void format_json(struct buffer *out, const struct format_record *record, const char *origin);

#endif
