#ifndef LUNASTALK_COMMAND_BODY_H
#define LUNASTALK_COMMAND_BODY_H
/* The body of a job, made from the arguments of a command or read from a file. */
#include "base/buffer.h"
#include "base/error.h"

/* Appends {"job": NAME, "data": JSON, "id": ID}; `id` NULL: without. 0, or -1 and `error` when that is no envelope. */
int body_make(struct buffer *out, const char *name, const char *data, const char *id, struct error *error);
/* Appends the file as it is, "-" is stdin. 0, or -1 and `error`. */
int body_read(struct buffer *out, const char *path, struct error *error);

#endif
