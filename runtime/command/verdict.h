#ifndef LUNASTALK_COMMAND_VERDICT_H
#define LUNASTALK_COMMAND_VERDICT_H
/* What came of a job that was tried, and what a worker would do with it: for people, or as one object of JSON. */
#include "command/trial.h"

/* Prints it to stdout. Returns the exit code: EXIT_DONE, or EXIT_FAILED when the job failed or was interrupted. */
int verdict_print(const struct trial *trial, bool as_json);

#endif
