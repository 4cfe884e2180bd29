#include "config/units.h"

#include <string.h>

enum { LONGEST = 11 }; // digits

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first; the last of each is a number without a unit. */
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}, {NULL, 0}};
static const struct unit sizes[] = {{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"", 1}, {NULL, 0}};

/* The digits that `text` begins with; what follows them, or NULL when there are none or too many. */
static const char *digits(const char *text, uint64_t *number)
{
    size_t length = strspn(text, "0123456789");
    if (!length || length > LONGEST)
        return NULL;
    *number = 0;
    for (size_t i = 0; i < length; i++)
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    return text + length;
}

bool units_number(const char *text, uint64_t *number)
{
    const char *rest = digits(text, number);
    return rest && !*rest;
}

static bool read(const char *text, const struct unit *unit, uint64_t *number)
{
    const char *rest = digits(text, number);
    for (; rest && unit->name; unit++) {
        if (strcmp(rest, unit->name) != 0)
            continue;
        if (*number > UINT64_MAX / unit->factor)
            return false;
        *number *= unit->factor;
        return true;
    }
    return false;
}

/* In the largest unit that expresses it exactly; 0 in the smallest that has a name. */
static void print(struct buffer *out, const struct unit *unit, uint64_t number)
{
    while (unit[1].name && *unit[1].name && (number < unit->factor || number % unit->factor != 0))
        unit++;
    if (number % unit->factor != 0)
        unit++;
    buffer_printf(out, "%llu%s", (unsigned long long)(number / unit->factor), unit->name);
}

bool units_duration(const char *text, uint64_t *ms)
{
    return read(text, durations, ms);
}

void units_print(struct buffer *out, uint64_t ms)
{
    print(out, durations, ms);
}

bool units_size(const char *text, uint64_t *bytes)
{
    return read(text, sizes, bytes);
}

void units_print_size(struct buffer *out, uint64_t bytes)
{
    print(out, sizes, bytes);
}
