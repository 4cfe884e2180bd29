#ifndef LUNASTALK_QUEUE_STATISTICS_H
#define LUNASTALK_QUEUE_STATISTICS_H
/*
 * beanstalkd's statistics as JSON: keys with '_' for '-', numbers and booleans as such; ids, names and versions are
 * strings even where they look like numbers. Pure; called by client.c.
 */
#include "base/buffer.h"

/*
 * Appends the YAML of a stats reply as one object. From the numbers whose keys `own` lists (ends with NULL) one is
 * taken: what the server counts of the connection that asks.
 */
void statistics_object(struct buffer *out, const struct buffer *yaml, const char *const *own);
/* Appends the YAML of a list reply as a list of strings. */
void statistics_list(struct buffer *out, const struct buffer *yaml);

#endif
