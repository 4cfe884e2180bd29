#ifndef LUNASTALK_JOB_FIELDS_H
#define LUNASTALK_JOB_FIELDS_H
/* Which job a record of the log is about. */
#include "job/job.h"
#include "log/log.h"

enum { JOB_FIELDS_MOST = 7 };

/*
 * Writes server, id, tube, the envelope's id and name, attempt and the version of the handlers, as far as they are known,
 * to `fields`, which has room for JOB_FIELDS_MOST; returns how many.
 */
size_t job_fields(const struct job *job, struct log_field *fields);

#endif
