#ifndef LUNASTALK_REDIS_SINK_REDIS_H
#define LUNASTALK_REDIS_SINK_REDIS_H
/*
 * A list in Redis as a sink of the log: RPUSH of up to 38 records and LTRIM to its length in one write, one batch on its
 * way. What was not answered with a length is sent again: a record can stand there twice, in its place.
 *
 * Its context is a struct redis *, NULL before there is a connection and once it begins to close: from then on only
 * what is on its way when it is closed leads to more.
 */
#include "log/sink.h"

extern const struct sink_class sink_redis;

#endif
