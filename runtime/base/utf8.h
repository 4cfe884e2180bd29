#ifndef LUNASTALK_BASE_UTF8_H
#define LUNASTALK_BASE_UTF8_H
#include <stddef.h>

/*
 * Bytes of the character that `bytes` begins with (1 to 4), or 0 when they begin with no character of well-formed
 * UTF-8 (The Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing over U+10FFFF) or `size` is 0.
 */
size_t utf8_length(const char *bytes, size_t size);
/* Where to cut a text so that at most `most` bytes are left and no character is cut through: `size` when it fits. */
size_t utf8_cut(const char *bytes, size_t size, size_t most);

#endif
