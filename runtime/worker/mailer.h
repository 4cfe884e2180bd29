#ifndef LUNASTALK_WORKER_MAILER_H
#define LUNASTALK_WORKER_MAILER_H
/* Mail as a sink of the log. Its context is the struct sinks, which knows all mailers. */
#include "log/sink.h"
#include "worker/sinks.h"

extern const struct sink_class sink_email;

/* Whether one of them asks, or mails. */
bool mailers_busy(const struct sinks *sinks);
/* Sends what waits, whenever the last mail was. */
void mailers_stop(struct sinks *sinks);

#endif
