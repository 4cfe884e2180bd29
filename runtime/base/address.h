#ifndef LUNASTALK_BASE_ADDRESS_H
#define LUNASTALK_BASE_ADDRESS_H
/* Where a server is, as configurations have it: "host:port", "[IPv6 address]:port" or "unix:/path". */
#include <netdb.h>
#include <stdbool.h>

enum { ADDRESS_HOST = 256, ADDRESS_PORT = 6 };

/* Splits the first two; false when it is neither. */
bool address_split(const char *server, char host[ADDRESS_HOST], char port[ADDRESS_PORT]);
/* The path of the third; NULL when it is none. */
const char *address_path(const char *server);

/* The address number `n` of the list, counted round and round, as text ("fe80::1%eth0"); returns its port. */
int address_nth(const struct addrinfo *first, unsigned n, char text[ADDRESS_HOST]);

#endif
