#ifndef LUNASTALK_COMMAND_TEXT_H
#define LUNASTALK_COMMAND_TEXT_H
/* Text of others (bodies, tubes, reasons) for a terminal, durations and moments for people. */
#include "base/buffer.h"

#include <stdint.h>
#include <stdio.h>

/* Writes to stdout, escaped; newlines stay. JSON stays the same JSON. */
void text_print(const struct buffer *text);
/* Writes the bytes as they are. */
void text_write(FILE *out, const struct buffer *text);
/* Appends "3 d 4 h", "12 min 5 s", "7 s". */
void text_duration(struct buffer *out, uint64_t seconds);
/* Appends the moment (unix seconds) in local time and how long ago it was: "2026-11-24 08:40:37, 5 min ago". */
void text_moment(struct buffer *out, double unix_s);
/* Unix time, in seconds with a fraction. */
double text_now(void);

#endif
