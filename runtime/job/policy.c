#include "job/policy.h"

unsigned policy_attempt(uint64_t buries, unsigned retries)
{
    return (unsigned)(buries % (retries + UINT64_C(1))) + 1;
}

/* At least a second; from ten seconds up a tenth more or less, so that not all come back at once. */
static uint32_t vary(uint64_t delay, uint32_t random)
{
    if (delay >= POLICY_JITTER_FROM_S)
        delay = delay - delay / 10 + random % (2 * (delay / 10) + 1);
    return delay ? (uint32_t)delay : 1;
}

uint32_t policy_delay_s(const struct policy_retry *retry, unsigned attempt, uint32_t random)
{
    uint64_t delay = retry->delay_s;
    for (unsigned i = 1; i < attempt && delay < POLICY_DELAY_MOST_S; i++)
        delay *= 2;
    if (delay > POLICY_DELAY_MOST_S)
        delay = POLICY_DELAY_MOST_S;
    return vary(delay, random);
}

static struct policy_decision decide(const struct policy_input *input)
{
    unsigned attempt = policy_attempt(input->buries, input->retry.max);
    struct policy_decision decision = {.attempt = attempt, .failure = true};
    bool again = input->outcome == POLICY_RELEASED || input->outcome == POLICY_UNAVAILABLE;
    switch (input->cancelled && again ? POLICY_FAILED : input->outcome) {
    case POLICY_SUCCEEDED:
        decision.verb = POLICY_DELETE;
        decision.failure = false;
        return decision;
    case POLICY_RELEASED:
    case POLICY_UNAVAILABLE:
        decision.verb = POLICY_RELEASE;
        decision.failure = false;
        decision.delay_s = input->delay_s ? input->delay_s : 1;
        if (input->outcome == POLICY_UNAVAILABLE)
            decision.delay_s = vary(input->delay_s, input->random);
        return decision;
    case POLICY_FAILED:
        if (attempt > input->retry.max || input->cancelled)
            break;
        decision.verb = POLICY_RETRY;
        decision.delay_s = policy_delay_s(&input->retry, attempt, input->random);
        return decision;
    case POLICY_NO_ENVELOPE: // nobody has looked at these: they are kept, whatever they say
    case POLICY_UNKNOWN_NAME: decision.verb = POLICY_BURY; return decision;
    case POLICY_BURIED: break;
    }
    decision.verb = input->bury ? POLICY_BURY : POLICY_DELETE;
    return decision;
}

struct policy_decision policy_decide(const struct policy_input *input)
{
    struct policy_decision decision = decide(input);
    if (input->cannot_store && decision.verb != POLICY_DELETE) {
        decision.verb = POLICY_RELEASE; // at once, which writes nothing: it is tried again when the server can store
        decision.delay_s = 0;
    }
    return decision;
}
