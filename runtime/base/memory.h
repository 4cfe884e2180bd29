#ifndef LUNASTALK_BASE_MEMORY_H
#define LUNASTALK_BASE_MEMORY_H
/*
 * Allocation that does not fail: out of memory ends the process with a line on stderr, so that no caller carries a
 * branch that no test can reach. Sizes that a peer chooses are bounded before they get here.
 */
#include <stddef.h>

/* Zeroed memory; freed with free(). */
void *mem_new(size_t size);
/* realloc() that does not fail. */
void *mem_resize(void *memory, size_t size);
/* A NUL-terminated copy of `size` bytes; freed with free(). */
char *mem_copy(const char *bytes, size_t size);
/* printf into new memory; freed with free(). */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
