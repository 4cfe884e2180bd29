#include "base/level.h"

#include <string.h>

static const char *const names[LEVEL_COUNT] = {
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};

const char *level_name(unsigned level)
{
    return level < LEVEL_COUNT ? names[level] : "?";
}

int level_parse(const char *name)
{
    for (int level = 0; level < LEVEL_COUNT; level++)
        if (strcmp(name, names[level]) == 0)
            return level;
    return -1;
}
