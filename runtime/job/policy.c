#include "job/policy.h"

static uint32_t at_least_one(uint32_t delay_s)
{
    return delay_s ? delay_s : 1;
}

struct policy_decision policy_decide(const struct policy_input *input)
{
    switch (input->outcome) {
    case POLICY_SUCCEEDED: return (struct policy_decision){POLICY_DELETE, 0, false};
    case POLICY_RELEASED:
    case POLICY_UNAVAILABLE: return (struct policy_decision){POLICY_RELEASE, at_least_one(input->delay_s), false};
    case POLICY_NO_ENVELOPE: // nobody has looked at these: they are kept, whatever they say
    case POLICY_UNKNOWN_NAME: return (struct policy_decision){POLICY_BURY, 0, true};
    case POLICY_FAILED:
    case POLICY_BURIED: break;
    }
    return (struct policy_decision){input->bury ? POLICY_BURY : POLICY_DELETE, 0, true};
}

unsigned policy_attempt(uint64_t buries, unsigned retries)
{
    return (unsigned)(buries % (retries + UINT64_C(1))) + 1;
}
