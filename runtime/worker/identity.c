#include "worker/identity.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

void identity_make(struct identity *identity, const char *name, unsigned number)
{
    char host[65] = "";
    uint64_t random[2] = {0};
    const char *group = getenv("SUPERVISOR_GROUP_NAME");
    gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    if (!name)
        name = group && *group ? group : "worker";
    snprintf(identity->id, sizeof identity->id, "%s_%.100s%u", host, name, number);
    // Without entropy yet, early in boot, the process is told apart by its number.
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random[0] = (uint64_t)getpid();
    snprintf(identity->instance, sizeof identity->instance, "%016llx%016llx", (unsigned long long)random[0],
        (unsigned long long)random[1]);
}
