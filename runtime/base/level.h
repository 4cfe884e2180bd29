#ifndef LUNASTALK_BASE_LEVEL_H
#define LUNASTALK_BASE_LEVEL_H
/*
 * The eight levels of PSR-3 (RFC 5424), least severe first: a sink takes a record when the record's level is at least
 * its own. The numbers go over the wire: append, never renumber.
 */
#include <stddef.h>

enum level {
    LEVEL_DEBUG,
    LEVEL_INFO,
    LEVEL_NOTICE,
    LEVEL_WARNING,
    LEVEL_ERROR,
    LEVEL_CRITICAL,
    LEVEL_ALERT,
    LEVEL_EMERGENCY,
    LEVEL_COUNT,
};

/* "debug" … "emergency"; "?" for a number that is none. */
const char *level_name(unsigned level);
/* The level of that name, or -1. */
int level_parse(const char *name);

#endif
