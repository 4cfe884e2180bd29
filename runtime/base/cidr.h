#ifndef LUNASTALK_BASE_CIDR_H
#define LUNASTALK_BASE_CIDR_H
/* Ranges of addresses: "10.0.0.0/8", "fd00::/8", or a single one. IPv4 is kept as IPv4-mapped IPv6 (RFC 4291). */
#include <stdbool.h>

struct cidr {
    unsigned char address[16];
    unsigned bits; // of the prefix, 0 to 128
};

/* False when `text` is neither an address nor a range. Bits behind the prefix are ignored. */
bool cidr_parse(struct cidr *cidr, const char *text);
bool cidr_contains(const struct cidr *cidr, const unsigned char address[16]);

#endif
