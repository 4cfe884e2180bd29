#include "base/outbox.h"

void outbox_init(struct outbox *outbox, uv_stream_t *stream)
{
    outbox->stream = stream;
    outbox->write.data = outbox;
}

static void on_written(uv_write_t *write, int status)
{
    struct outbox *outbox = write->data;
    buffer_consume(&outbox->leaving, buffer_size(&outbox->leaving));
    if (status == 0)
        outbox_flush(outbox);
}

void outbox_flush(struct outbox *outbox)
{
    if (!buffer_size(&outbox->out) || buffer_size(&outbox->leaving) || !uv_is_writable(outbox->stream))
        return;
    uv_buf_t bytes = uv_buf_init(buffer_data(&outbox->out), (unsigned)buffer_size(&outbox->out));
    int written = uv_try_write(outbox->stream, &bytes, 1);
    if (written > 0)
        buffer_consume(&outbox->out, (size_t)written);
    if (!buffer_size(&outbox->out))
        return;
    buffer_free(&outbox->leaving);
    outbox->leaving = outbox->out;
    outbox->out = (struct buffer){0};
    bytes = uv_buf_init(buffer_data(&outbox->leaving), (unsigned)buffer_size(&outbox->leaving));
    uv_write(&outbox->write, outbox->stream, &bytes, 1, on_written);
}

void outbox_free(struct outbox *outbox)
{
    buffer_free(&outbox->out);
    buffer_free(&outbox->leaving);
}
