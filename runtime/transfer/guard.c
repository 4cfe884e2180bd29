#include "transfer/guard.h"

#include "base/cidr.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

/* What the IANA registries of special-purpose addresses hold (RFC 6890), and multicast. */
static const struct {
    const char *range, *why;
} special[] = {
    {"0.0.0.0/8", "this host, RFC 1122"},
    {"10.0.0.0/8", "private, RFC 1918"},
    {"100.64.0.0/10", "shared by carriers, RFC 6598"},
    {"127.0.0.0/8", "loopback, RFC 1122"},
    {"169.254.0.0/16", "link-local, RFC 3927"},
    {"172.16.0.0/12", "private, RFC 1918"},
    {"192.0.0.0/24", "reserved, RFC 6890"},
    {"192.0.2.0/24", "documentation, RFC 5737"},
    {"192.88.99.0/24", "6to4 relays, RFC 7526"},
    {"192.168.0.0/16", "private, RFC 1918"},
    {"198.18.0.0/15", "benchmarks, RFC 2544"},
    {"198.51.100.0/24", "documentation, RFC 5737"},
    {"203.0.113.0/24", "documentation, RFC 5737"},
    {"224.0.0.0/4", "multicast, RFC 5771"},
    {"240.0.0.0/4", "reserved or broadcast, RFC 1112"},
    {"::1", "loopback, RFC 4291"},
    {"::/96", "unspecified or IPv4-compatible, RFC 4291"},
    {"64:ff9b:1::/48", "local NAT64, RFC 8215"},
    {"100::/64", "discard, RFC 6666"},
    {"2001::/23", "Teredo and other protocols, RFC 2928"},
    {"2001:db8::/32", "documentation, RFC 3849"},
    {"3fff::/20", "documentation, RFC 9637"},
    {"5f00::/16", "segment routing, RFC 9602"},
    {"fc00::/7", "unique local, RFC 4193"},
    {"fe80::/10", "link-local, RFC 4291"},
    {"fec0::/10", "site-local, RFC 3879"},
    {"ff00::/8", "multicast, RFC 4291"},
};

/* The IPv4 address within an IPv6 one is where the packets go: NAT64 (RFC 6052) and 6to4 (RFC 3056). */
static void unwrap(unsigned char address[16])
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b}, to4[2] = {0x20, 0x02};
    unsigned char v4[4];
    if (memcmp(address, nat64, sizeof nat64) == 0)
        memcpy(v4, address + 12, sizeof v4);
    else if (memcmp(address, to4, sizeof to4) == 0)
        memcpy(v4, address + 2, sizeof v4);
    else
        return;
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, v4, sizeof v4);
}

/* As 16 bytes, IPv4 mapped; false for another family. */
static bool read_address(const struct sockaddr *from, unsigned char address[16])
{
    if (from->sa_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
        unwrap(address);
        return true;
    }
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    return from->sa_family == AF_INET;
}

const char *guard_refuses(const struct sockaddr *from)
{
    unsigned char address[16];
    struct cidr cidr;
    if (!read_address(from, address))
        return "of an unknown family";
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (cidr_parse(&cidr, special[i].range) && cidr_contains(&cidr, address))
            return special[i].why;
    return NULL;
}

bool guard_allows(const char *const *allow, size_t count, const char *host, const struct sockaddr *from)
{
    unsigned char address[16];
    struct cidr cidr;
    bool known = read_address(from, address);
    for (size_t i = 0; i < count; i++) {
        bool range = cidr_parse(&cidr, allow[i]);
        if (range ? known && cidr_contains(&cidr, address) : strcasecmp(allow[i], host) == 0)
            return true;
    }
    return false;
}
