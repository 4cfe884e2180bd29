#include "executor/wire.h"

#include <endian.h>
#include <string.h>

struct wire_writer wire_begin(struct buffer *out, enum wire_type type)
{
    struct wire_writer writer = {out, buffer_size(out)};
    char header[WIRE_HEADER] = {0, 0, 0, 0, (char)type};
    buffer_append(out, header, sizeof header);
    return writer;
}

void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
    buffer_append(writer->out, &value, 1);
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
    value = htole32(value);
    buffer_append(writer->out, &value, sizeof value);
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
    value = htole64(value);
    buffer_append(writer->out, &value, sizeof value);
}

void wire_put_bytes(struct wire_writer *writer, const void *bytes, size_t size)
{
    wire_put_u32(writer, (uint32_t)size);
    buffer_append(writer->out, bytes, size);
}

void wire_put_text(struct wire_writer *writer, const char *text)
{
    wire_put_bytes(writer, text, strlen(text));
}

void wire_end(struct wire_writer *writer)
{
    size_t payload = buffer_size(writer->out) - writer->at - WIRE_HEADER;
    uint32_t size = htole32((uint32_t)payload);
    memcpy(buffer_data(writer->out) + writer->at, &size, sizeof size);
}

int wire_next(struct wire_frame *frame, const void *bytes, size_t size)
{
    if (size < WIRE_HEADER)
        return 0;
    uint32_t payload;
    memcpy(&payload, bytes, sizeof payload);
    payload = le32toh(payload);
    if (payload > WIRE_LARGEST)
        return -1;
    if (size - WIRE_HEADER < payload)
        return 0;
    const uint8_t *start = bytes;
    *frame = (struct wire_frame){start[4], start + WIRE_HEADER, payload, 0, false, WIRE_HEADER + (size_t)payload};
    return 1;
}

/* The next `size` bytes of the frame, or NULL and a broken frame. */
static const uint8_t *take(struct wire_frame *frame, size_t size)
{
    if (frame->broken || frame->size - frame->at < size) {
        frame->broken = true;
        return NULL;
    }
    const uint8_t *bytes = frame->payload + frame->at;
    frame->at += size;
    return bytes;
}

uint8_t wire_get_u8(struct wire_frame *frame)
{
    const uint8_t *bytes = take(frame, 1);
    return bytes ? *bytes : 0;
}

uint32_t wire_get_u32(struct wire_frame *frame)
{
    uint32_t value = 0;
    const uint8_t *bytes = take(frame, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

uint64_t wire_get_u64(struct wire_frame *frame)
{
    uint64_t value = 0;
    const uint8_t *bytes = take(frame, sizeof value);
    if (bytes)
        memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

const char *wire_get_bytes(struct wire_frame *frame, size_t *size)
{
    uint32_t length = wire_get_u32(frame);
    const uint8_t *bytes = take(frame, length);
    *size = bytes ? length : 0;
    return bytes ? (const char *)bytes : "";
}

bool wire_complete(const struct wire_frame *frame)
{
    return !frame->broken && frame->at == frame->size;
}
