#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool parse_address(unsigned char address[16], const char *text)
{
    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    memcpy(address, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, address + sizeof mapped) == 1;
}

bool cidr_parse(struct cidr *cidr, const char *text)
{
    char address[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/"), digits = text[length] ? strlen(text + length + 1) : 0;
    if (length >= sizeof address || (text[length] && (!digits || digits > 3)))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!parse_address(cidr->address, address))
        return false;
    bool v4 = !strchr(address, ':');
    cidr->bits = v4 ? 32 : 128;
    if (digits) {
        unsigned long bits = strtoul(text + length + 1, NULL, 10);
        if (strspn(text + length + 1, "0123456789") != digits || bits > cidr->bits)
            return false;
        cidr->bits = (unsigned)bits;
    }
    cidr->bits += v4 ? 96 : 0;
    return true;
}

bool cidr_contains(const struct cidr *cidr, const unsigned char address[16])
{
    unsigned whole = cidr->bits / 8, rest = cidr->bits % 8;
    if (memcmp(cidr->address, address, whole) != 0)
        return false;
    return !rest || (cidr->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}
