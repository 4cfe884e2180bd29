#ifndef LUNASTALK_JOB_POLICY_H
#define LUNASTALK_JOB_POLICY_H
/*
 * From the outcome of a job to the one verb that settles it at the broker. A pure function over a struct, so that the
 * whole policy is read here and tested as a table.
 *
 * A failed attempt is counted by burying the job (and taking it out again at once, when it is to be tried again), so
 * beanstalkd's `buries` counts failed attempts and nothing else does: no second store is needed, and a kick of a buried
 * job starts a fresh round by itself.
 */
#include <stdbool.h>
#include <stdint.h>

/* How a job ended for the policy; the first five are what a handler can do (executor/wire.h tells the same five). */
enum policy_outcome {
    POLICY_SUCCEEDED,
    POLICY_FAILED,      // returned false, raised, ran too long, or its executor died
    POLICY_RELEASED,    // job:release{delay = …}
    POLICY_BURIED,      // job:bury(reason)
    POLICY_UNAVAILABLE, // a connection of the handler could not reach its server
    POLICY_NO_ENVELOPE, // the body is none
    POLICY_UNKNOWN_NAME,
};

/* How often to try again, and when first. */
struct policy_retry {
    unsigned max;     // retries: runs are one more; 0: the first failure is final
    unsigned delay_s; // before the first retry; doubles with each
};

struct policy_input {
    enum policy_outcome outcome;
    uint32_t delay_s;          // RELEASED: as the handler asked; UNAVAILABLE: varied as that of a retry
    bool bury;                 // the envelope's error.bury
    struct policy_retry retry; // what holds for this job
    bool cancelled;            // it is not tried again: FAILED is final, and so is RELEASED or UNAVAILABLE
    uint64_t buries;           // of stats-job
    uint32_t random;           // any number: decides the jitter
    bool cannot_store;         // the server would lose what is buried or delayed
};

enum policy_verb {
    POLICY_DELETE,
    POLICY_BURY,
    POLICY_RELEASE,
    POLICY_RETRY, // count the attempt and release with delay: bury, reserve-job, release in one write
};

struct policy_decision {
    enum policy_verb verb;
    uint32_t delay_s; // RELEASE and RETRY
    bool failure;     // counts and is logged as a failure
    unsigned attempt; // the number of this run in its round, from 1
};

enum { POLICY_DELAY_MOST_S = 3600, POLICY_JITTER_FROM_S = 10 };

/*
 * The number of a run, from 1, in a round of `retries` + 1. A job that was kicked out of `delayed` keeps its round; one
 * whose `retries` changed in between counts on in the new round.
 */
unsigned policy_attempt(uint64_t buries, unsigned retries);

/* delay × 2^(attempt - 1), an hour at most, ±10 % from ten seconds up, a second at least. */
uint32_t policy_delay_s(const struct policy_retry *retry, unsigned attempt, uint32_t random);

struct policy_decision policy_decide(const struct policy_input *input);

#endif
