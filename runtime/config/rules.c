#include "config/rules.h"

#include "base/cidr.h"
#include "base/utf8.h"
#include "config/units.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { HOST = 253 };

/* Whether the first `length` characters are from `set`, and 1 to `longest` of them. */
static bool is_of(const char *text, size_t length, const char *set, size_t longest)
{
    return length && length <= longest && strspn(text, set) >= length;
}

bool rules_name(const char *text)
{
    return is_of(text, strlen(text), ALNUM "._-", 64);
}

bool rules_tube(const char *text)
{
    return *text != '-' && is_of(text, strlen(text), ALNUM "-+/;.$_()", 200);
}

bool rules_path(const char *text)
{
    size_t left = strlen(text), length = left && left < PATH_MAX;
    for (; left && length; text += length, left -= length)
        length = utf8_length(text, left);
    return length;
}

static bool is_port(const char *text)
{
    uint64_t port;
    return units_number(text, &port) && port >= 1 && port <= 65535;
}

static bool is_unix(const char *path)
{
    return *path == '/' && rules_path(path) && strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path;
}

/* `text` begins behind the bracket. */
static bool is_ipv6(const char *text)
{
    char address[INET6_ADDRSTRLEN] = "";
    struct in6_addr parsed;
    size_t length = strcspn(text, "]");
    if (length >= sizeof address || strncmp(text + length, "]:", 2) != 0)
        return false;
    memcpy(address, text, length);
    return inet_pton(AF_INET6, address, &parsed) == 1 && is_port(text + length + 2);
}

bool rules_allow(const char *text)
{
    struct cidr cidr;
    return cidr_parse(&cidr, text) || is_of(text, strlen(text), ALNUM "._-", HOST);
}

bool rules_secret(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size <= 256 && strcspn(text, "\r\n") == size;
}

bool rules_prefix(const char *text)
{
    size_t size = strlen(text);
    for (const char *byte = text; *byte; byte++)
        if ((unsigned char)*byte < ' ' || *byte == 0x7f)
            return false;
    return size <= 200 && (!size || rules_path(text));
}

bool rules_key(const char *text)
{
    return *text && rules_prefix(text);
}

bool rules_on_change(const char *text)
{
    return strcmp(text, "reload") == 0 || strcmp(text, "exit") == 0;
}

bool rules_server(const char *text)
{
    if (strncmp(text, "unix:", 5) == 0)
        return is_unix(text + 5);
    if (*text == '[')
        return is_ipv6(text + 1);
    size_t host = strcspn(text, ":");
    return is_of(text, host, ALNUM "._-", HOST) && text[host] && is_port(text + host + 1);
}

bool rules_mail_server(const char *text)
{
    size_t scheme = strncmp(text, "smtp://", 7) == 0 ? 7 : strncmp(text, "smtps://", 8) == 0 ? 8 : 0;
    if (!scheme)
        return false;
    text += scheme;
    return is_of(text, strlen(text), ALNUM "._-", HOST) || (strncmp(text, "unix:", 5) != 0 && rules_server(text));
}

bool rules_address(const char *text)
{
    size_t size = strlen(text);
    const char *at = strrchr(text, '@');
    if (!at || at == text || !at[1] || size > 254 || !is_of(at + 1, strlen(at + 1), ALNUM ".-", HOST))
        return false;
    for (const char *byte = text; *byte; byte++)
        if (*byte <= ' ' || *byte >= 0x7f || strchr("<>()\",;:\\", *byte))
            return false;
    return true;
}
