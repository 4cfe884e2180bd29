#include "worker/identity.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void identity_make(struct identity *identity, const char *name, unsigned number)
{
    uint64_t random[2] = {0};
    const char *group = getenv("SUPERVISOR_GROUP_NAME");
    memset(identity->host, 0, sizeof identity->host);
    gethostname(identity->host, sizeof identity->host - 1);
    identity->host[strcspn(identity->host, ".")] = '\0';
    if (!name)
        name = group && *group ? group : "worker";
    snprintf(identity->pool, sizeof identity->pool, "%s", name);
    snprintf(identity->id, sizeof identity->id, "%s_%s%u", identity->host, identity->pool, number);
    // Without entropy yet, early in boot, the process is told apart by its number.
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random[0] = (uint64_t)getpid();
    snprintf(identity->instance, sizeof identity->instance, "%016llx%016llx", (unsigned long long)random[0],
        (unsigned long long)random[1]);
}
