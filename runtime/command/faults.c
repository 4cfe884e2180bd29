#include "command/faults.h"

#include "base/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    char *key;           // instance and id
    struct fault *fault; // NULL: the job does not match, by its last failure
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->key, ((const struct seen *)b)->key);
}

static void free_seen(void *node)
{
    struct seen *seen = node;
    free(seen->key);
    free(seen);
}

static bool equals(const char *wanted, const char *text)
{
    return !wanted || strcmp(wanted, text) == 0;
}

static bool matches(const struct faults_filter *filter, const struct failed_entry *entry)
{
    const char *const *field = entry->field;
    return entry->at_ms >= filter->since_ms && equals(filter->id, field[FAILED_ID]) &&
           equals(filter->name, field[FAILED_NAME]) && equals(filter->tube, field[FAILED_TUBE]) &&
           equals(filter->instance, field[FAILED_INSTANCE]) &&
           (!filter->match || strcasestr(field[FAILED_ERROR], filter->match) ||
               strcasestr(field[FAILED_TRACEBACK], filter->match));
}

static struct fault *add(struct faults *faults, const struct failed_entry *entry)
{
    struct fault *fault = mem_new(sizeof *fault);
    fault->at_ms = entry->at_ms;
    for (size_t i = 0; i < FAILED_FIELDS; i++)
        fault->field[i] = mem_copy(entry->field[i], strlen(entry->field[i]));
    if ((faults->count & (faults->count - 1)) == 0) // full at each power of two
        faults->list = mem_resize(faults->list, (faults->count ? 2 * faults->count : 1) * sizeof(void *));
    return faults->list[faults->count++] = fault;
}

/* What is known of the entry's job; when it is new, it matches or not by this entry, its last. */
static struct seen *look_up(struct faults *faults, const struct failed_entry *entry)
{
    const struct faults_filter *filter = faults->filter;
    struct seen *seen = mem_new(sizeof *seen);
    seen->key = mem_printf("%s %s", entry->field[FAILED_INSTANCE], entry->field[FAILED_ID]);
    struct seen **node = tsearch(seen, &faults->seen, by_key);
    if (*node != seen) {
        free_seen(seen);
        return *node;
    }
    if (!matches(filter, entry))
        return seen;
    faults->cut = filter->most && faults->count == filter->most;
    if (!faults->cut)
        seen->fault = add(faults, entry);
    return seen;
}

static bool on_entry(void *context, const struct failed_entry *entry)
{
    struct faults *faults = context;
    const struct seen *seen = look_up(faults, entry);
    if (seen->fault)
        buffer_append(&seen->fault->entries, entry->entry, strlen(entry->entry) + 1);
    return faults->filter->whole || !faults->cut;
}

int faults_read(
    struct faults *faults, struct redis_client *redis, const struct faults_filter *filter, struct error *error)
{
    *faults = (struct faults){.filter = filter};
    return failed_each(redis, filter->whole ? 0 : filter->since_ms, on_entry, faults, error);
}

void faults_free(struct faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        struct fault *fault = faults->list[i];
        for (size_t field = 0; field < FAILED_FIELDS; field++)
            free(fault->field[field]);
        buffer_free(&fault->entries);
        free(fault);
    }
    free(faults->list);
    tdestroy(faults->seen, free_seen);
}
