#ifndef LUNASTALK_BASE_ERROR_H
#define LUNASTALK_BASE_ERROR_H
/* A message for people, filled by functions that can fail. It lives on the caller's stack and owns nothing. */

struct error {
    char text[1024];
};

/* Formats into `error` (cut at its size) and returns -1, so that failing reads `return error_set(…)`. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
