#ifndef LUNASTALK_BASE_FILES_H
#define LUNASTALK_BASE_FILES_H
/* Removing what programs leave behind. Used by both processes. */
#include <stdbool.h>

/* Removes everything below the directory, following no link; the directory itself too when `whole`. Best effort. */
void files_remove(const char *directory, bool whole);

#endif
