#include "base/escape.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* The character of well-formed UTF-8. */
static uint32_t decode(const char *bytes, size_t length)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t character = (unsigned char)bytes[0] & first[length];
    for (size_t i = 1; i < length; i++)
        character = character << 6 | ((unsigned char)bytes[i] & 0x3f);
    return character;
}

static bool stays(uint32_t c, enum escape_mode mode)
{
    if (c < 0x7f)
        return c >= ' ' ? mode != ESCAPE_QUOTED || (c != '"' && c != '\\') : mode == ESCAPE_LINES && c == '\n';
    bool control = c < 0xa0;
    bool line_or_direction = c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return !control && !line_or_direction && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static void append_escape(struct buffer *out, uint32_t c)
{
    switch (c) {
    case '\n': buffer_append_text(out, "\\n"); break;
    case '\r': buffer_append_text(out, "\\r"); break;
    case '\t': buffer_append_text(out, "\\t"); break;
    case '"':
    case '\\': buffer_printf(out, "\\%c", (int)c); break;
    default: buffer_printf(out, "\\u%04x", c);
    }
}

void escape_append(struct buffer *out, const char *bytes, size_t size, enum escape_mode mode)
{
    if (mode == ESCAPE_LATER) {
        buffer_append(out, bytes, size);
        return;
    }
    size_t at = 0, plain = 0;
    while (at < size) {
        size_t length = utf8_length(bytes + at, size - at);
        uint32_t c = length ? decode(bytes + at, length) : 0;
        if (length && stays(c, mode)) {
            at += length;
            continue;
        }
        buffer_append(out, bytes + plain, at - plain);
        if (length)
            append_escape(out, c);
        else
            buffer_printf(out, "\\x%02x", (unsigned char)bytes[at]);
        plain = at += length ? length : 1;
    }
    buffer_append(out, bytes + plain, at - plain);
}
