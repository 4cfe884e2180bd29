#ifndef LUNASTALK_BASE_BASE64_H
#define LUNASTALK_BASE_BASE64_H
/* Base64 (RFC 4648, 4), with its padding. */
#include "base/buffer.h"

void base64_append(struct buffer *out, const char *bytes, size_t size);

#endif
