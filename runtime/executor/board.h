#ifndef LUNASTALK_EXECUTOR_BOARD_H
#define LUNASTALK_EXECUTOR_BOARD_H
/*
 * The board: one page (memfd, fd 4 of the executor) shared by runtime and executor, with a slot per sent job. It tells
 * the runtime at every instant what runs since when, at no cost per job, and still tells it after the executor's death.
 *
 *               board_post            board_start             board_end
 *    (free) ───────────────▶ SENT ───────────────▶ RUNNING ───────────────▶ SUCCEEDED | FAILED
 *              runtime         │      executor                 executor
 *                              └─────▶ RECALLED   board_recall: runtime; or the executor, when the job came too late
 *
 * A slot's word is the job's sequence and its state in one atomic, so every step is a compare-and-swap that names the
 * job: whoever comes late, or with the frame of a job that was recalled, changes nothing. FAILED is every end but
 * success; its details come in an OUTCOME frame that was sent before.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BOARD_SLOTS = 127, BOARD_SIZE = 4096 };

enum board_state {
    BOARD_FREE,
    BOARD_SENT,
    BOARD_RUNNING,
    BOARD_SUCCEEDED,
    BOARD_FAILED,
    BOARD_RECALLED,
    BOARD_CORRUPT, // never stored: the word is of another job or of no state
};

struct board_slot {
    _Atomic uint64_t word; // sequence << 8 | state
    uint64_t started_ns;   // clock_ns() when the handler began; good from RUNNING on
    uint64_t ended_ns;     // clock_ns() when it ended; good from SUCCEEDED or FAILED on
    uint64_t peak;         // bytes, highest memory of the Lua state; 0: not measured
};

/* Why a job is to be stopped. */
enum board_why { BOARD_TIMED_OUT, BOARD_LOST, BOARD_CANCELLED };

/* The soft stop: written before the signal, and meant for one job, so that it never hits the next. */
struct board_stop {
    _Atomic uint64_t sequence; // 0: none
    uint32_t why;
    uint32_t limit_ms; // TIMED_OUT: what the job had
    uint64_t unused[2];
};

struct board {
    struct board_slot slots[BOARD_SLOTS];
    struct board_stop stop;
};

/* Runtime: a job with this sequence (1 … 2^56-1, never used twice) is about to be sent in this slot. */
void board_post(struct board *board, unsigned slot, uint64_t sequence);
/* Takes the job back. False when it has already begun (or the board is corrupt). */
bool board_recall(struct board *board, unsigned slot, uint64_t sequence);
/* Runtime: the state of this job in this slot. */
enum board_state board_read(const struct board *board, unsigned slot, uint64_t sequence);
/* Executor: begins the job. False when it was recalled: skip it. */
bool board_start(struct board *board, unsigned slot, uint64_t sequence, uint64_t now_ns);
/* Executor: the job it began has ended. */
void board_end(struct board *board, unsigned slot, uint64_t sequence, bool success, uint64_t now_ns);

#endif
