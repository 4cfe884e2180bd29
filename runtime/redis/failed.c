#include "redis/failed.h"

#include "redis/failures.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE "100" // entries; each has some 10 KB at most

enum { ENTRY_ID_LONGEST = 48 };

const char *const failed_names[FAILED_FIELDS] = {"server", "instance", "id", "name", "tube", "attempt", "state",
    "delay", "error", "traceback", "runtime", "worker", "record"};

static void set_field(struct failed_entry *entry, const char *name, const char *value)
{
    for (size_t i = 0; name && value && i < FAILED_FIELDS; i++)
        if (strcmp(failed_names[i], name) == 0)
            entry->field[i] = value;
}

static void read_entry(struct failed_entry *entry, const char *id, const redisReply *fields)
{
    entry->entry = id;
    entry->at_ms = strtoull(id, NULL, 10);
    for (size_t i = 0; i < FAILED_FIELDS; i++)
        entry->field[i] = "";
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        set_field(entry, fields->element[i]->str, fields->element[i + 1]->str);
}

/* The id before this one: "5-2" → "5-1", "5-0" → "4-" and the greatest. ("(5-2" is known since Redis 6.2 only.) */
static void precede(const char *id, char before[ENTRY_ID_LONGEST])
{
    char *rest;
    unsigned long long ms = strtoull(id, &rest, 10), sequence = *rest ? strtoull(rest + 1, NULL, 10) : 0;
    bool carry = !sequence;
    snprintf(before, ENTRY_ID_LONGEST, "%llu-%llu", carry && ms ? ms - 1 : ms, sequence - 1);
}

/* Visits a page; `end` becomes that of the next, or "" when there is none. */
static void visit_page(const redisReply *page, failed_visit *visit, void *context, char end[ENTRY_ID_LONGEST])
{
    struct failed_entry entry;
    *end = '\0';
    for (size_t i = 0; i < page->elements; i++) {
        const redisReply *pair = page->element[i];
        if (pair->type != REDIS_REPLY_ARRAY || pair->elements != 2 || !pair->element[0]->str)
            continue;
        read_entry(&entry, pair->element[0]->str, pair->element[1]);
        precede(entry.entry, end);
        if (!visit(context, &entry)) {
            *end = '\0';
            return;
        }
    }
}

int failed_each(struct redis_client *client, uint64_t since_ms, failed_visit *visit, void *context, struct error *error)
{
    char start[ENTRY_ID_LONGEST], end[ENTRY_ID_LONGEST] = "+", *key = redis_client_key(client, FAILURES_KEY);
    int result = 0;
    snprintf(start, sizeof start, "%llu", (unsigned long long)since_ms);
    while (*end && result == 0) {
        const char *words[] = {"XREVRANGE", key, end, start, "COUNT", PAGE, NULL};
        redisReply *page = redis_client_ask(client, REDIS_REPLY_ARRAY, words, error);
        result = page ? 0 : -1;
        if (page) {
            visit_page(page, visit, context, end);
            freeReplyObject(page);
        }
    }
    free(key);
    return result;
}

int failed_remove(struct redis_client *client, const char *entry, struct error *error)
{
    char *key = redis_client_key(client, FAILURES_KEY);
    redisReply *reply =
        redis_client_ask(client, REDIS_REPLY_INTEGER, (const char *[]){"XDEL", key, entry, NULL}, error);
    free(key);
    if (reply)
        freeReplyObject(reply);
    return reply ? 0 : -1;
}
