#ifndef LUNASTALK_CONFIG_UNITS_H
#define LUNASTALK_CONFIG_UNITS_H
/* Whole numbers, durations and sizes as text. No signs, fractions, spaces or other bases: `113x` is not 113. */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* All of `text` as a decimal number of at most 11 digits. */
bool units_number(const char *text, uint64_t *number);
/* "250ms", "25s", "5m", "2h", "7d", or a number of seconds, in milliseconds. */
bool units_duration(const char *text, uint64_t *ms);
/* "512MB", "64KB", "2GB" (of 1024), or a number of bytes. */
bool units_size(const char *text, uint64_t *bytes);
/* Appends the size in the largest unit that expresses it exactly. */
void units_print_size(struct buffer *out, uint64_t bytes);
/* Appends the duration in the largest unit that expresses it exactly. */
void units_print(struct buffer *out, uint64_t ms);

#endif
