#ifndef LUNASTALK_REDIS_ADAPTER_H
#define LUNASTALK_REDIS_ADAPTER_H
/*
 * hiredis on a libuv loop. Our own: the one that comes with hiredis says nothing of a refused connection or a reset. Works
 * with hiredis 0.14 and 1.x.
 */
#include <uv.h>

struct redisAsyncContext;

/* Lets the loop drive the context, until hiredis frees it. 0, or -1: the descriptor cannot be polled. */
int adapter_attach(struct redisAsyncContext *context, uv_loop_t *loop);

#endif
