#ifndef LUNASTALK_LOG_FORMAT_H
#define LUNASTALK_LOG_FORMAT_H
/*
 * Records as text. One record is one line, whatever is in it: control characters, line separators and invalid UTF-8 are
 * escaped (\n, \x1b, \u2028, \xff), a backslash is not.
 */
#include "base/buffer.h"
#include "log/log.h"

enum { FORMAT_VALUE_LONGEST = 32 * 1024 };

/* "2026-11-24T03:42:57.123Z error send_email: message key=value …\n"; `time_ms` is Unix time. */
void format_line(struct buffer *out, uint64_t time_ms, enum level level, const char *channel, const char *message,
    size_t size, const struct log_field *fields);

#endif
