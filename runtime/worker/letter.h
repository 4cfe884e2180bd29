#ifndef LUNASTALK_WORKER_LETTER_H
#define LUNASTALK_WORKER_LETTER_H
/* A digest of records as a mail from this worker. */
#include "base/error.h"
#include "log/digest.h"
#include "transfer/mail.h"
#include "worker/sinks.h"

/*
 * Sends it as `config` says; all of it is copied. done(context, …) once, also from within. -1 with `error`, and done() is
 * not called: the password cannot be read.
 */
int letter_send(struct sinks *sinks, const struct config_sink *config, const struct digest *digest, mail_done *done,
    void *context, struct error *error);

#endif
