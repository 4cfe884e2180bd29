#include "executor/wire.h"
#include "fuzz.h"

#include <assert.h>
#include <string.h>

/* Fields of each frame (wire.h): 1 4 8 are numbers of so many bytes, b is bytes; what is behind * repeats. */
static const char *const shapes[256] = {
    [WIRE_CONFIG] = "418bbb",
    [WIRE_JOB] = "848bbbbb",
    [WIRE_REPLY] = "41b4",
    [WIRE_STOP] = "",
    [WIRE_RING] = "",
    [WIRE_HELLO] = "4",
    [WIRE_HANDLER] = "b444",
    [WIRE_READY] = "",
    [WIRE_REFUSED] = "b",
    [WIRE_BELL] = "",
    [WIRE_OUTCOME] = "814bb",
    [WIRE_LOG] = "81bb*b1b",
    [WIRE_PUT] = "48b444b",
    [WIRE_STATS] = "48",
    [WIRE_OUTPUT] = "48",
    [WIRE_TOUCH] = "8",
    [WIRE_PROGRESS] = "8b",
    [WIRE_ONCE] = "48b4",
    [WIRE_IDLE] = "41",
};

/* Reads one field, and writes it to the copy. */
static void copy_field(char shape, struct wire_frame *frame, struct wire_writer *copy)
{
    size_t size;
    const char *bytes;
    switch (shape) {
    case '1': wire_put_u8(copy, wire_get_u8(frame)); break;
    case '4': wire_put_u32(copy, wire_get_u32(frame)); break;
    case '8': wire_put_u64(copy, wire_get_u64(frame)); break;
    default:
        bytes = wire_get_bytes(frame, &size);
        assert(!size || (const uint8_t *)bytes + size <= frame->payload + frame->size);
        wire_put_bytes(copy, bytes, size);
    }
}

static void copy_fields(const char *shape, struct wire_frame *frame, struct wire_writer *copy)
{
    for (; *shape && *shape != '*'; shape++)
        copy_field(*shape, frame, copy);
    if (!*shape)
        return;
    uint32_t count = wire_get_u32(frame);
    wire_put_u32(copy, count);
    while (count-- && !frame->broken)
        copy_fields(shape + 1, frame, copy);
}

/* A frame that reads to its end, written again, is the same bytes. */
static void check_frame(struct wire_frame frame, const uint8_t *bytes)
{
    struct buffer out = {0};
    struct wire_writer copy = wire_begin(&out, (enum wire_type)frame.type);
    copy_fields(shapes[frame.type] ? shapes[frame.type] : "b", &frame, &copy);
    wire_end(&copy);
    assert(frame.at <= frame.size);
    if (wire_complete(&frame))
        assert(buffer_size(&out) == frame.whole && memcmp(buffer_data(&out), bytes, frame.whole) == 0);
    buffer_free(&out);
}

int fuzz_wire(const uint8_t *data, size_t size)
{
    struct wire_frame frame, cut;
    while (wire_next(&frame, data, size) == 1) {
        assert(frame.whole >= WIRE_HEADER && frame.whole <= size);
        assert(wire_next(&cut, data, frame.whole - 1) == 0);
        check_frame(frame, data);
        data += frame.whole;
        size -= frame.whole;
    }
    return 0;
}
