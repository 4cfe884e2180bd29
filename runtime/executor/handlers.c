#include "executor/handlers.h"

#include "base/memory.h"
#include "base/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MORE_LONGEST = 32 }; // bytes of " and 7 more"

void handlers_add(struct handlers *handlers, const char *name, size_t size, const struct handler *options)
{
    handlers->list = mem_resize(handlers->list, (handlers->count + 1) * sizeof *handlers->list);
    handlers->list[handlers->count] = *options;
    handlers->list[handlers->count++].name = mem_copy(name, size);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct handler *)a)->name, ((const struct handler *)b)->name);
}

void handlers_sort(struct handlers *handlers)
{
    if (handlers->count)
        qsort(handlers->list, handlers->count, sizeof *handlers->list, compare);
}

const struct handler *handlers_find(const struct handlers *handlers, const char *name)
{
    const struct handler wanted = {.name = (char *)name};
    return handlers->count ? bsearch(&wanted, handlers->list, handlers->count, sizeof wanted, compare) : NULL;
}

const char *handlers_suggest(const struct handlers *handlers, const char *name)
{
    const char **names = mem_new((handlers->count + 1) * sizeof *names);
    for (size_t i = 0; i < handlers->count; i++)
        names[i] = handlers->list[i].name;
    const char *closest = suggest(name, names, handlers->count);
    free(names);
    return closest;
}

void handlers_write_names(const struct handlers *handlers, char *text, size_t room)
{
    size_t used = (size_t)snprintf(text, room, "%s", handlers->count ? "" : "none");
    for (size_t i = 0; i < handlers->count; i++) {
        const char *comma = i ? ", " : "", *name = handlers->list[i].name;
        if (used + strlen(comma) + strlen(name) + MORE_LONGEST >= room) {
            snprintf(text + used, room - used, " and %zu more", handlers->count - i);
            return;
        }
        used += (size_t)snprintf(text + used, room - used, "%s%s", comma, name);
    }
}

void handlers_free(struct handlers *handlers)
{
    for (size_t i = 0; i < handlers->count; i++)
        free(handlers->list[i].name);
    free(handlers->list);
    *handlers = (struct handlers){0};
}
