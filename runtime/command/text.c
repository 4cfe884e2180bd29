#include "command/text.h"

#include "base/utf8.h"

/* The character of well-formed UTF-8. */
static uint32_t decode(const char *bytes, size_t length)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t character = (unsigned char)bytes[0] & first[length];
    for (size_t i = 1; i < length; i++)
        character = character << 6 | ((unsigned char)bytes[i] & 0x3f);
    return character;
}

static bool printable(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
    bool separator = c == 0x2028 || c == 0x2029;
    bool direction = c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return !control && !separator && !direction;
}

void text_escape(struct buffer *out, const char *bytes, size_t size, bool lines)
{
    size_t at = 0, plain = 0;
    while (at < size) {
        size_t length = utf8_length(bytes + at, size - at);
        uint32_t character = length ? decode(bytes + at, length) : 0;
        if (!printable(character) && !(lines && character == '\n')) {
            buffer_append(out, bytes + plain, at - plain);
            if (length)
                buffer_printf(out, "\\u%04x", character);
            else
                buffer_printf(out, "\\x%02x", (unsigned char)bytes[at]);
            plain = at + (length ? length : 1);
        }
        at += length ? length : 1;
    }
    buffer_append(out, bytes + plain, size - plain);
}

void text_print(const struct buffer *text)
{
    struct buffer shown = {0};
    text_escape(&shown, buffer_data(text), buffer_size(text), true);
    text_write(stdout, &shown);
    buffer_free(&shown);
}

void text_write(FILE *out, const struct buffer *text)
{
    if (buffer_size(text))
        fwrite(buffer_data(text), 1, buffer_size(text), out);
}

void text_duration(struct buffer *out, uint64_t seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    size_t i = 0;
    while (units[i].seconds > 1 && seconds < units[i].seconds)
        i++;
    buffer_printf(out, "%llu %s", (unsigned long long)(seconds / units[i].seconds), units[i].name);
    uint64_t rest = seconds % units[i].seconds;
    if (rest && rest >= units[i + 1].seconds)
        buffer_printf(out, " %llu %s", (unsigned long long)(rest / units[i + 1].seconds), units[i + 1].name);
}
