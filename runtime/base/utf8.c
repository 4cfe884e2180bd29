#include "base/utf8.h"

static int continues(unsigned char byte, unsigned char lowest, unsigned char highest)
{
    return byte >= lowest && byte <= highest;
}

size_t utf8_length(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    if (!size)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] >= 0xc2 && b[0] <= 0xdf)
        return size >= 2 && continues(b[1], 0x80, 0xbf) ? 2 : 0;
    if (b[0] >= 0xe0 && b[0] <= 0xef) {
        unsigned char lowest = b[0] == 0xe0 ? 0xa0 : 0x80, highest = b[0] == 0xed ? 0x9f : 0xbf;
        return size >= 3 && continues(b[1], lowest, highest) && continues(b[2], 0x80, 0xbf) ? 3 : 0;
    }
    if (b[0] >= 0xf0 && b[0] <= 0xf4) {
        unsigned char lowest = b[0] == 0xf0 ? 0x90 : 0x80, highest = b[0] == 0xf4 ? 0x8f : 0xbf;
        return size >= 4 && continues(b[1], lowest, highest) && continues(b[2], 0x80, 0xbf) &&
                       continues(b[3], 0x80, 0xbf)
                   ? 4
                   : 0;
    }
    return 0;
}

static int inside(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t utf8_cut(const char *bytes, size_t size, size_t most)
{
    size_t cut = most;
    if (size <= most)
        return size;
    while (cut && most - cut < 3 && inside(bytes[cut]))
        cut--;
    return inside(bytes[cut]) ? most : cut; // no UTF-8: anywhere
}
