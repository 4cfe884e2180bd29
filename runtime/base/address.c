#include "base/address.h"

#include <stdlib.h>
#include <string.h>

bool address_split(const char *server, char host[ADDRESS_HOST], char port[ADDRESS_PORT])
{
    const char *colon = strrchr(server, ':'), *start = server, *end = colon;
    if (!colon)
        return false;
    if (*server == '[') {
        start = server + 1;
        end = colon - 1;
        if (end <= start || *end != ']')
            return false;
    } else if (memchr(server, ':', (size_t)(colon - server))) {
        return false;
    }
    size_t length = (size_t)(end - start), digits = strspn(colon + 1, "0123456789");
    long number = strtol(colon + 1, NULL, 10);
    if (!length || length >= ADDRESS_HOST || !digits || digits >= ADDRESS_PORT || colon[1 + digits] || number < 1 ||
        number > 65535)
        return false;
    memcpy(host, start, length);
    host[length] = '\0';
    memcpy(port, colon + 1, digits + 1);
    return true;
}

const char *address_path(const char *server)
{
    return strncmp(server, "unix:", 5) == 0 ? server + 5 : NULL;
}

int address_nth(const struct addrinfo *first, unsigned n, char text[ADDRESS_HOST])
{
    char port[ADDRESS_PORT] = "0";
    unsigned count = 1;
    const struct addrinfo *one = first;
    for (const struct addrinfo *each = first->ai_next; each; each = each->ai_next)
        count++;
    for (n %= count; n; n--)
        one = one->ai_next;
    *text = '\0';
    getnameinfo(one->ai_addr, one->ai_addrlen, text, ADDRESS_HOST, port, ADDRESS_PORT, NI_NUMERICHOST | NI_NUMERICSERV);
    return atoi(port);
}
