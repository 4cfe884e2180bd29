#include "redis/trouble.h"

#include "log/log.h"

#include <stdio.h>
#include <string.h>

void trouble_code(const char *error, char code[TROUBLE_CODE])
{
    const char *inner = strncmp(error, "ERR Error running script", 24) == 0 ? strstr(error, ": -") : NULL;
    const char *start = inner ? inner + 3 : error;
    snprintf(code, TROUBLE_CODE, "%.*s", (int)strcspn(start, " "), start);
}

static struct met *find_by(struct trouble *trouble, const char *by)
{
    for (unsigned i = 0; i < trouble->count; i++)
        if (strcmp(trouble->met[i].by, by) == 0)
            return &trouble->met[i];
    return NULL;
}

/* Whether it was said: one fault is met by many commands. */
static bool is_known(const struct trouble *trouble, const char *code)
{
    for (unsigned i = 0; i < trouble->count; i++)
        if (strcmp(trouble->met[i].code, code) == 0)
            return true;
    return false;
}

void trouble_warn(struct trouble *trouble, const char *server, const char *by, const char *why, uint64_t now_ms)
{
    char code[TROUBLE_CODE];
    struct met *met = find_by(trouble, by);
    trouble_code(why, code);
    if (!met && !is_known(trouble, code))
        LOG(LEVEL_WARNING, "redis at {server}: {why}; jobs go on without it", F_TEXT("server", server),
            F_TEXT("why", why), F_TEXT("for", by));
    if (!met && trouble->count < TROUBLE_MOST)
        met = &trouble->met[trouble->count++];
    if (!met)
        return;
    memcpy(met->code, code, sizeof code);
    snprintf(met->by, sizeof met->by, "%s", by);
    met->at_ms = now_ms;
}

void trouble_over(struct trouble *trouble, const char *server, const char *by, uint64_t now_ms)
{
    if (!trouble->count)
        return;
    for (unsigned i = trouble->count; i--;) {
        struct met *met = &trouble->met[i];
        if (strcmp(met->by, by) == 0 || now_ms >= met->at_ms + trouble->lasts_ms)
            *met = trouble->met[--trouble->count];
    }
    if (!trouble->count)
        LOG(LEVEL_NOTICE, "redis at {server} is well again", F_TEXT("server", server));
}
