#ifndef LUNASTALK_COMMAND_TRIAL_H
#define LUNASTALK_COMMAND_TRIAL_H
/*
 * A trial: one job in an executor of its own, outside the queue. It is limited as by a worker. What it asks for is answered,
 * and nothing of that reaches beanstalkd or Redis. Its records and requests are lines on stderr.
 */
#include "base/buffer.h"
#include "config/config.h"
#include "executor/handlers.h"
#include "job/job.h"

struct trial {
    const struct config *config;
    const char *executor; // the binary
    struct job *job;      // HELD, its envelope read, its tube and stats known
    unsigned attempt;     // that it is to be; 0: as its stats count

    /* What came of it; trial_free(). */
    bool interrupted;         // by a signal
    struct handlers handlers; // all that there are
    struct buffer puts;       // of the job, objects of JSON with commas between
    unsigned put_count;
    struct error error; // why the job did not run
};

/*
 * Returns EXIT_DONE when the job has its end: `outcome`, `runtime_ns` and so on tell. Else the exit code to leave with, and
 * `error`. Signals that end a program stop the job, and a second one kills it.
 */
int trial_run(struct trial *trial);
void trial_free(struct trial *trial);

#endif
