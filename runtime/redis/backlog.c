#include "redis/backlog.h"

#include "base/list.h"
#include "base/memory.h"
#include "log/log.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_BYTES = 8 * 1024 * 1024, SENT_MOST = 1000 };

struct backlog {
    struct redis *redis;
    struct list entries; // oldest first; those that were sent come first
    size_t bytes, sent;
    uint64_t dropped; // since it was last said
    bool halted;      // Redis refuses for now: nothing is sent before the next flush from outside
};

struct entry {
    struct list place;
    struct backlog *backlog;
    const char *purpose;
    bool sent;
    size_t size;
    struct redis_command command; // its words stand in `bytes`
    char bytes[];
};

struct backlog *backlog_new(struct redis *redis)
{
    struct backlog *backlog = mem_new(sizeof *backlog);
    backlog->redis = redis;
    list_init(&backlog->entries);
    return backlog;
}

static void forget(struct entry *entry)
{
    list_remove(&entry->place);
    entry->backlog->bytes -= entry->size;
    free(entry);
}

static void drop_oldest(struct backlog *backlog)
{
    for (struct list *link = backlog->entries.next; link != &backlog->entries; link = link->next) {
        struct entry *entry = list_entry(link, struct entry, place);
        if (entry->sent)
            continue;
        forget(entry);
        backlog->dropped++;
        return;
    }
}

void backlog_add(struct backlog *backlog, const char *purpose, const struct redis_command *command)
{
    size_t size = 0;
    for (int i = 0; i < command->count; i++)
        size += command->sizes[i];
    struct entry *entry = mem_new(sizeof *entry + size);
    char *at = entry->bytes;
    entry->backlog = backlog;
    entry->purpose = purpose;
    entry->size = sizeof *entry + size;
    for (int i = 0; i < command->count; i++) {
        memcpy(at, command->words[i], command->sizes[i]);
        redis_bytes(&entry->command, at, command->sizes[i]);
        at += command->sizes[i];
    }
    list_insert(&backlog->entries, &entry->place);
    backlog->bytes += entry->size;
    if (backlog->bytes > KEPT_BYTES)
        drop_oldest(backlog);
}

/* Whether it may work later; what is wrong with the command itself stays wrong. */
static bool passes(const redisReply *reply)
{
    static const char *const codes[] = {
        "LOADING", "READONLY", "OOM", "MISCONF", "NOAUTH", "NOPERM", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0)
            return true;
    return false;
}

static void say_dropped(struct backlog *backlog)
{
    if (!backlog->dropped)
        return;
    LOG(LEVEL_WARNING, "{count} records of what failed and what became of jobs were dropped while redis was away",
        F_NUMBER("count", backlog->dropped));
    backlog->dropped = 0;
}

static void send_some(struct backlog *backlog);

static void on_reply(void *context, const redisReply *reply)
{
    struct entry *entry = context;
    struct backlog *backlog = entry->backlog;
    bool again = !reply || (reply->type == REDIS_REPLY_ERROR && passes(reply));
    backlog->sent--;
    entry->sent = false;
    backlog->halted |= again;
    if (again)
        return;
    forget(entry);
    say_dropped(backlog);
    if (backlog->sent < SENT_MOST / 2)
        send_some(backlog);
}

static void send_some(struct backlog *backlog)
{
    for (struct list *link = backlog->entries.next; link != &backlog->entries && !backlog->halted; link = link->next) {
        struct entry *entry = list_entry(link, struct entry, place);
        if (entry->sent)
            continue;
        if (backlog->sent >= SENT_MOST || !redis_send(backlog->redis, entry->purpose, &entry->command, on_reply, entry))
            return;
        entry->sent = true;
        backlog->sent++;
    }
}

void backlog_flush(struct backlog *backlog)
{
    backlog->halted = false;
    send_some(backlog);
}

bool backlog_empty(const struct backlog *backlog)
{
    return list_empty(&backlog->entries);
}

void backlog_free(struct backlog *backlog)
{
    for (struct list *link = backlog->entries.next, *after; link != &backlog->entries; link = after) {
        after = link->next;
        free(list_entry(link, struct entry, place));
    }
    free(backlog);
}
