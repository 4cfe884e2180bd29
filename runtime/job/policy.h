#ifndef LUNASTALK_JOB_POLICY_H
#define LUNASTALK_JOB_POLICY_H
/*
 * From the outcome of a job to the one verb that settles it at the broker. A pure function over a struct, so that the
 * whole policy is read here and tested as a table. Retries and callbacks join it with their issue.
 */
#include <stdbool.h>
#include <stdint.h>

/* How a job ended for the policy; the first five are what a handler can do (executor/wire.h tells the same five). */
enum policy_outcome {
    POLICY_SUCCEEDED,
    POLICY_FAILED,      // returned false, raised, or its executor died
    POLICY_RELEASED,    // job:release{delay = …}
    POLICY_BURIED,      // job:bury(reason)
    POLICY_UNAVAILABLE, // a connection of the handler could not reach its server
    POLICY_NO_ENVELOPE, // the body is none
    POLICY_UNKNOWN_NAME,
};

struct policy_input {
    enum policy_outcome outcome;
    uint32_t delay_s; // RELEASED: as the handler asked
    bool bury;        // the envelope's error.bury
};

enum policy_verb { POLICY_DELETE, POLICY_BURY, POLICY_RELEASE };

struct policy_decision {
    enum policy_verb verb;
    uint32_t delay_s; // RELEASE
    bool failure;     // counts and is logged as a failure
};

/*
 * The number of a run, from 1, in a round of `retries` + 1: failed attempts are counted by beanstalkd's `buries` and by
 * nothing else, so a kick of a buried job starts a fresh round by itself.
 */
unsigned policy_attempt(uint64_t buries, unsigned retries);

struct policy_decision policy_decide(const struct policy_input *input);

#endif
