#ifndef LUNASTALK_BASE_OUTBOX_H
#define LUNASTALK_BASE_OUTBOX_H
/*
 * The way out of a libuv stream: append to `out` as often as wanted, flush once per loop turn. Errors are not reported
 * here: a stream that cannot be written ends for its reader too, which is where its owner deals with it.
 */
#include "base/buffer.h"

#include <uv.h>

struct outbox {
    struct buffer out;
    struct buffer leaving; // what uv_write() holds
    uv_stream_t *stream;
    uv_write_t write;
};

void outbox_init(struct outbox *outbox, uv_stream_t *stream);
void outbox_flush(struct outbox *outbox);
/* After the stream's close callback. */
void outbox_free(struct outbox *outbox);

#endif
