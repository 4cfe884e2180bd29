#include "config/units.h"

#include <string.h>

enum { LONGEST = 11 }; // digits: that many days are still within 64 bits of milliseconds

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}};

enum { UNITS = sizeof units / sizeof *units, SMALLEST = UNITS - 2 };

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

bool units_duration(const char *text, uint64_t *ms)
{
    const char *unit = digits(text, ms);
    for (size_t i = 0; unit && i < UNITS; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        *ms *= units[i].ms;
        return true;
    }
    return false;
}

void units_print(struct buffer *out, uint64_t ms)
{
    size_t i = 0;
    while (i < SMALLEST && (ms < units[i].ms || ms % units[i].ms != 0))
        i++;
    buffer_printf(out, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].name);
}
