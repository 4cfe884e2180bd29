#include "executor/board.h"

_Static_assert(sizeof(struct board) == BOARD_SIZE, "the board is one page");

static uint64_t word(uint64_t sequence, enum board_state state)
{
    return sequence << 8 | state;
}

void board_post(struct board *board, unsigned slot, uint64_t sequence)
{
    atomic_store(&board->slots[slot].word, word(sequence, BOARD_SENT));
}

bool board_recall(struct board *board, unsigned slot, uint64_t sequence)
{
    uint64_t sent = word(sequence, BOARD_SENT);
    return atomic_compare_exchange_strong(&board->slots[slot].word, &sent, word(sequence, BOARD_RECALLED));
}

enum board_state board_read(const struct board *board, unsigned slot, uint64_t sequence)
{
    uint64_t now = atomic_load(&board->slots[slot].word);
    uint8_t state = now & 0xff;
    return now >> 8 == sequence && state < BOARD_CORRUPT ? (enum board_state)state : BOARD_CORRUPT;
}

bool board_start(struct board *board, unsigned slot, uint64_t sequence, uint64_t now_ns)
{
    uint64_t sent = word(sequence, BOARD_SENT);
    if (slot >= BOARD_SLOTS)
        return false;
    // The time stands before the state does: whoever reads RUNNING reads the time of this run.
    if (atomic_load(&board->slots[slot].word) != sent)
        return false;
    board->slots[slot].started_ns = now_ns;
    return atomic_compare_exchange_strong(&board->slots[slot].word, &sent, word(sequence, BOARD_RUNNING));
}

void board_end(struct board *board, unsigned slot, uint64_t sequence, bool success, uint64_t now_ns)
{
    uint64_t running = word(sequence, BOARD_RUNNING);
    board->slots[slot].ended_ns = now_ns;
    atomic_compare_exchange_strong(
        &board->slots[slot].word, &running, word(sequence, success ? BOARD_SUCCEEDED : BOARD_FAILED));
}
