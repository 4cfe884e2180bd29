#ifndef LUNASTALK_LOG_SINK_STREAM_H
#define LUNASTALK_LOG_SINK_STREAM_H
/*
 * The sink of stdout and stderr. Its descriptor is shared with whoever started the worker and stays in blocking mode,
 * so it is written only as far as poll() says that a write of PIPE_BUF bytes does not block. What does not leave is
 * kept, 1 MB at most; then the oldest records of which nothing has left go, and a line says how many.
 */
#include "base/buffer.h"

#include <stdbool.h>

struct sink_stream {
    int fd;
    struct buffer kept;
    size_t begun;               // bytes at the front that end a record which has left in part
    unsigned long long dropped; // records since the last line that said so
    bool broken;                // the other end is gone: records are dropped silently
};

/* One record with its newline. */
void sink_stream_write(struct sink_stream *sink, const char *record, size_t size);
/* Writes what can leave now. True when something is left. */
bool sink_stream_flush(struct sink_stream *sink);

#endif
