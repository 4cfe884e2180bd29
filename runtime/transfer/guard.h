#ifndef LUNASTALK_TRANSFER_GUARD_H
#define LUNASTALK_TRANSFER_GUARD_H
/*
 * Where a callback may go: anywhere on the public Internet, and nowhere else unless the configuration lists it. Asked
 * with the address that is about to be connected to, so neither a name that resolves to a private address nor another
 * spelling of one (0x7f.1, 2130706433, [::ffff:127.0.0.1]) gets around it. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Why nobody outside should choose this address ("private, RFC 1918"); NULL for one of the public Internet. */
const char *guard_refuses(const struct sockaddr *address);

/*
 * Whether `allow` lists the host, as it stands in the URL (whatever it resolves to, regardless of case), or the
 * address, alone or in a range.
 */
bool guard_allows(const char *const *allow, size_t count, const char *host, const struct sockaddr *address);

#endif
