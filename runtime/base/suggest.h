#ifndef LUNASTALK_BASE_SUGGEST_H
#define LUNASTALK_BASE_SUGGEST_H
/* "Did you mean …?" */
#include <stddef.h>

/*
 * The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from `word`, or NULL when all
 * need more than a third of the word's length plus one. Words over 64 bytes have none.
 */
const char *suggest(const char *word, const char *const *candidates, size_t count);

#endif
