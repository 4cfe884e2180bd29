#ifndef LUNASTALK_EXECUTOR_WIRE_H
#define LUNASTALK_EXECUTOR_WIRE_H
/*
 * The wire between runtime and executor: frames over a stream socket (fd 3 of the executor). Pure codec: bytes in,
 * frames out; no descriptor, no loop. Used by both sides.
 *
 *   frame    u32 size of the payload · u8 type · payload
 *   u8 u32 u64 f64   little-endian
 *   bytes    u32 size · the bytes
 *
 * A frame holds its fields in the order of the table and nothing after them.
 *
 *   to the executor
 *   CONFIG   u32 version · u8 lowest level any sink takes · u64 memory limit in bytes (0: none) · bytes jobs path ·
 *            bytes settings (JSON) · bytes directory for temporary files
 *   JOB      u64 sequence · u32 slot · u64 start by (clock_ns(); later the executor recalls it) · bytes server · bytes id (decimal) · bytes name · bytes tube ("" unknown) · bytes body
 *   REPLY    u32 request · u8 ok · then for PUT: bytes id; STATS: bytes tube, u32 attempt; OUTPUT: nothing;
 *            ONCE: u8 first; not ok: bytes message, bytes code
 *   STOP     (nothing): exit 0 when the running job has ended
 *   RING     (nothing): the time of IDLE is over; answered by another IDLE between two jobs
 *
 *   to the runtime
 *   HELLO    u32 version
 *   HANDLER  bytes name · u32 timeout in ms (0: none) · u32 retry.max · u32 retry.delay in s (WIRE_UNSET: not given)
 *   READY    (nothing): all handlers named; jobs may come
 *   REFUSED  bytes message: a file did not load; the executor exits next
 *   BELL     (nothing): look at the board
 *   OUTCOME  u64 sequence · u8 enum outcome_kind · u32 delay in s · bytes reason · bytes traceback;
 *            sent before the board says FAILED
 *   LOG      u64 sequence (0: no job runs) · u8 level · bytes channel ("": the job's name) · bytes message ·
 *            u32 count · count × (bytes key · u8 enum wire_value · bytes value)
 *   PUT      u32 request · u64 sequence (0: no job runs) · bytes tube · u32 priority · u32 delay in s · u32 TTR in s · bytes body
 *   STATS    u32 request · u64 sequence: tube and attempt of that job
 *   TOUCH    u64 sequence: job:touch(), its time starts anew
 *   OUTPUT   u32 request · u64 sequence: what stdout and stderr hold now was printed by that job
 *   PROGRESS u64 sequence · bytes JSON, WIRE_PROGRESS_MOST at most: job:progress(), sent before the job's end
 *   ONCE     u32 request · u64 sequence · bytes key, 1 to WIRE_KEY_MOST without control characters · u32 TTL in s, not 0:
 *            whether this job is the first to name the key
 *   IDLE     u32 ms until it wants a RING, instead of what it wanted before (0: none) · u8 1: the answer to a RING
 *
 * Many PUTs may be unanswered at a time; the REPLYs name their requests and may come in another order.
 *
 * WIRE_VERSION grows with every change of this table, the outcomes or the board: both binaries must be of one build.
 */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_VERSION = 4, WIRE_HEADER = 5, WIRE_LARGEST = 64 * 1024 * 1024 };
enum { WIRE_PROGRESS_MOST = 1024, WIRE_KEY_MOST = 200 }; // bytes

enum wire_type {
    WIRE_CONFIG = 1,
    WIRE_JOB,
    WIRE_REPLY,
    WIRE_STOP,
    WIRE_RING,
    WIRE_HELLO = 16,
    WIRE_HANDLER,
    WIRE_READY,
    WIRE_REFUSED,
    WIRE_BELL,
    WIRE_OUTCOME,
    WIRE_LOG,
    WIRE_PUT,
    WIRE_STATS,
    WIRE_OUTPUT,
    WIRE_TOUCH,
    WIRE_PROGRESS,
    WIRE_ONCE,
    WIRE_IDLE,
};

#define WIRE_UNSET UINT32_MAX

/* How a job ended, as the handler's side tells it. SUCCEEDED stands on the board alone and has no frame. */
enum outcome_kind {
    OUTCOME_SUCCEEDED = 0,
    OUTCOME_FAILED,
    OUTCOME_RELEASED,    // job:release{delay = …}
    OUTCOME_BURIED,      // job:bury(reason)
    OUTCOME_UNAVAILABLE, // a connection of the handler could not reach its server
    OUTCOME_KINDS,
};

/* TEXT is any bytes; LITERAL is the text of a JSON number, true, false or null. */
enum wire_value { WIRE_TEXT = 0, WIRE_LITERAL = 1 };

/* Writing: begin, put the fields in order, end. */
struct wire_writer {
    struct buffer *out;
    size_t at; // the frame's offset behind out->start
};
struct wire_writer wire_begin(struct buffer *out, enum wire_type type);
void wire_put_u8(struct wire_writer *writer, uint8_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_bytes(struct wire_writer *writer, const void *bytes, size_t size);
void wire_put_text(struct wire_writer *writer, const char *text);
void wire_end(struct wire_writer *writer);

/*
 * Reading. wire_next() finds the first frame in `bytes`: 1 and the frame, 0 when it is not whole yet, -1 when the
 * size is over WIRE_LARGEST. `whole` is what to consume afterwards. The frame points into `bytes`.
 */
struct wire_frame {
    uint8_t type;
    const uint8_t *payload;
    size_t size, at;
    bool broken; // sticky: some field ran over the end
    size_t whole;
};
int wire_next(struct wire_frame *frame, const void *bytes, size_t size);
/* Fields; 0 or "" once broken. wire_get_bytes() points into the frame and is not NUL-terminated. */
uint8_t wire_get_u8(struct wire_frame *frame);
uint32_t wire_get_u32(struct wire_frame *frame);
uint64_t wire_get_u64(struct wire_frame *frame);
const char *wire_get_bytes(struct wire_frame *frame, size_t *size);
/* Whether all fields fitted and nothing is left: ask it once, before using what was read. */
bool wire_complete(const struct wire_frame *frame);

#endif
