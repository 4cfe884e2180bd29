#ifndef LUNASTALK_TRANSFER_LIBRARY_H
#define LUNASTALK_TRANSFER_LIBRARY_H
/*
 * libcurl and libcrypto are loaded when they are first needed: linked to the binary they would cost every command 19 ms
 * and every idle worker 1.1 MB of its own (measured), for callbacks that most never make.
 */
#include "base/error.h"

#include <stddef.h>

/*
 * Loads `file` ("libcurl.so.4") and finds its functions: calls[i] becomes the one of names[i]. 0, or -1 and what is
 * missing. It stays loaded.
 */
int library_load(const char *file, const char *const *names, size_t count, void **calls, struct error *error);

#endif
