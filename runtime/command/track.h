#ifndef LUNASTALK_COMMAND_TRACK_H
#define LUNASTALK_COMMAND_TRACK_H
/* `put --track`: the record of a job (records.prefix and the envelope's id in Redis), made before the job is put. */
#include "command/session.h"

enum { TRACK_ID_SIZE = 37 };

/* A random UUID (version 4). */
void track_make_id(char id[TRACK_ID_SIZE]);
/*
 * Makes the record: state queued, created, updated, name, tube; it ends after records.ttl. A record that is there
 * already stays as it is, and that is said: then `made` is false. session->redis is connected. Returns the exit code;
 * when it is not EXIT_DONE, nothing may be put.
 */
int track_create(struct session *session, const char *id, const char *name, const char *tube, bool *made);
/* The job was not put. */
void track_remove(struct session *session, const char *id);

#endif
