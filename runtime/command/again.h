#ifndef LUNASTALK_COMMAND_AGAIN_H
#define LUNASTALK_COMMAND_AGAIN_H
/* `failed --kick` and `--delete`: acts in beanstalkd on the jobs whose failures match. */
#include "command/faults.h"
#include "command/session.h"

enum again_verb { AGAIN_KICK, AGAIN_DELETE };

struct again {
    enum again_verb verb;
    bool yes, as_json;
};

/*
 * Connects to beanstalkd (session->redis is connected), counts what can be done, asks, does it, and removes from the
 * index what it did. Returns the exit code: EXIT_FAILED when the answer is not yes.
 */
int again_run(struct session *session, const struct again *again, const struct faults_filter *filter);

#endif
