#ifndef LUNASTALK_COMMAND_TEXT_H
#define LUNASTALK_COMMAND_TEXT_H
/* Text of others (bodies, tubes, reasons) for a terminal, and durations for people. */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Appends `bytes` so that no control character reaches the terminal: such characters, line separators and the marks
 * that turn the direction of writing become \u001b, invalid UTF-8 \xff. Newlines stay with `lines`. JSON stays the
 * same JSON.
 */
void text_escape(struct buffer *out, const char *bytes, size_t size, bool lines);
/* Escapes with newlines kept and writes to stdout. */
void text_print(const struct buffer *text);
/* Writes the bytes as they are. */
void text_write(FILE *out, const struct buffer *text);
/* Appends "3 d 4 h", "12 min 5 s", "7 s". */
void text_duration(struct buffer *out, uint64_t seconds);

#endif
