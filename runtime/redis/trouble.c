#include "redis/trouble.h"

#include "log/log.h"

#include <stdio.h>
#include <string.h>

void trouble_warn(struct trouble *trouble, const char *server, const char *by, const char *why)
{
    char code[sizeof trouble->code];
    snprintf(code, sizeof code, "%.*s", (int)strcspn(why, " "), why);
    // A try to connect may fail for one reason and then for another: that is the same trouble.
    bool same = strcmp(code, trouble->code) == 0 ||
                (*trouble->code && strcmp(by, "connecting") == 0 && strcmp(by, trouble->by) == 0);
    if (same)
        return;
    memcpy(trouble->code, code, sizeof code);
    snprintf(trouble->by, sizeof trouble->by, "%s", by);
    LOG(LEVEL_WARNING, "redis at {server}: {why}; jobs go on without it", F_TEXT("server", server), F_TEXT("why", why),
        F_TEXT("for", by));
}

void trouble_over(struct trouble *trouble, const char *server, const char *by)
{
    if (!*trouble->code || strcmp(by, trouble->by) != 0)
        return;
    *trouble->code = '\0';
    LOG(LEVEL_NOTICE, "redis at {server} is well again", F_TEXT("server", server));
}
