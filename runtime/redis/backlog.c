#include "redis/backlog.h"

#include "base/list.h"
#include "base/memory.h"
#include "log/log.h"
#include "redis/trouble.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_BYTES = 8 * 1024 * 1024, SENT_MOST = 1000, SENT_BYTES = 2 * 1024 * 1024, AGAIN_MS = 1000 };

struct backlog {
    struct redis *redis;
    struct list entries; // oldest first
    size_t bytes, sent, sent_bytes;
    uint64_t dropped; // since it was last said
    bool halted;      // Redis is away or refuses: nothing is sent before backlog_retry()
    bool closing;
    uv_timer_t timer; // while halted, or while something dropped is to be said
};

struct entry {
    struct list place;
    struct backlog *backlog;
    const char *purpose;
    bool sent;
    size_t size;
    int subject;                  // index of a word, see backlog_add(); 0: none
    struct redis_command command; // its words stand in `bytes`
    char bytes[];
};

struct backlog *backlog_new(uv_loop_t *loop, struct redis *redis)
{
    struct backlog *backlog = mem_new(sizeof *backlog);
    backlog->redis = redis;
    uv_timer_init(loop, &backlog->timer);
    backlog->timer.data = backlog;
    list_init(&backlog->entries);
    return backlog;
}

static void forget(struct entry *entry)
{
    list_remove(&entry->place);
    entry->backlog->bytes -= entry->size;
    free(entry);
}

static void on_timer(uv_timer_t *timer);

/* There is something to try again, or to say. */
static void arm(struct backlog *backlog)
{
    if (!backlog->closing && !uv_is_active((uv_handle_t *)&backlog->timer))
        uv_timer_start(&backlog->timer, on_timer, AGAIN_MS, 0);
}

/* False: all that is there was sent. */
static bool drop_oldest(struct backlog *backlog)
{
    for (struct list *link = backlog->entries.next; link != &backlog->entries; link = link->next) {
        struct entry *entry = list_entry(link, struct entry, place);
        if (entry->sent)
            continue;
        forget(entry);
        backlog->dropped++;
        arm(backlog);
        return true;
    }
    return false;
}

void backlog_add(struct backlog *backlog, const char *purpose, const struct redis_command *command, int subject)
{
    size_t size = 0;
    for (int i = 0; i < command->count; i++)
        size += command->sizes[i];
    struct entry *entry = mem_new(sizeof *entry + size);
    char *at = entry->bytes;
    entry->backlog = backlog;
    entry->purpose = purpose;
    entry->size = sizeof *entry + size;
    entry->subject = subject;
    for (int i = 0; i < command->count; i++) {
        memcpy(at, command->words[i], command->sizes[i]);
        redis_bytes(&entry->command, at, command->sizes[i]);
        at += command->sizes[i];
    }
    list_insert(&backlog->entries, &entry->place);
    backlog->bytes += entry->size;
    while (backlog->bytes > KEPT_BYTES && drop_oldest(backlog)) {
    }
}

static bool same_subject(const struct entry *one, const struct entry *other)
{
    const struct redis_command *a = &one->command, *b = &other->command;
    return one->subject && one->subject == other->subject && a->sizes[one->subject] == b->sizes[one->subject] &&
           memcmp(a->words[one->subject], b->words[one->subject], a->sizes[one->subject]) == 0;
}

/* A later one of the same subject makes an earlier one needless; sent again it would even undo the later one. */
static bool is_outdone(const struct entry *entry)
{
    const struct list *end = &entry->backlog->entries;
    for (const struct list *link = entry->place.next; link != end; link = link->next)
        if (same_subject(entry, list_entry(link, struct entry, place)))
            return true;
    return false;
}

/* Whether it may work later; what is wrong with the command itself stays wrong. */
static bool passes(const redisReply *reply)
{
    static const char *const codes[] = {"LOADING", "READONLY", "OOM", "MISCONF", "NOAUTH", "NOPERM", "NOREPLICAS",
        "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN"};
    char code[TROUBLE_CODE];
    trouble_code(reply->str, code);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

static void say_dropped(struct backlog *backlog)
{
    if (backlog->halted || !backlog->dropped)
        return;
    LOG(LEVEL_WARNING, "{count} updates for redis were dropped: it was away, too slow, or refused them",
        F_NUMBER("count", backlog->dropped));
    backlog->dropped = 0;
}

static void on_reply(void *context, const redisReply *reply)
{
    struct entry *entry = context;
    struct backlog *backlog = entry->backlog;
    bool refused = reply && reply->type == REDIS_REPLY_ERROR, again = !reply || (refused && passes(reply));
    backlog->sent--;
    backlog->sent_bytes -= entry->size;
    entry->sent = false;
    backlog->halted |= again;
    backlog->dropped += refused && !again;
    if (!again || is_outdone(entry))
        forget(entry);
    if (backlog->halted || backlog->dropped)
        arm(backlog);
    else if (backlog->sent < SENT_MOST / 2)
        backlog_flush(backlog);
}

void backlog_flush(struct backlog *backlog)
{
    if (backlog->sent >= SENT_MOST || backlog->sent_bytes >= SENT_BYTES)
        return; // before all those are walked over
    for (struct list *link = backlog->entries.next; link != &backlog->entries && !backlog->halted; link = link->next) {
        struct entry *entry = list_entry(link, struct entry, place);
        if (entry->sent)
            continue;
        if (backlog->sent >= SENT_MOST || backlog->sent_bytes >= SENT_BYTES ||
            !redis_send(backlog->redis, entry->purpose, &entry->command, on_reply, entry))
            return;
        entry->sent = true;
        backlog->sent++;
        backlog->sent_bytes += entry->size;
    }
}

void backlog_retry(struct backlog *backlog)
{
    backlog->halted = false;
    backlog_flush(backlog);
}

static void on_timer(uv_timer_t *timer)
{
    struct backlog *backlog = timer->data;
    if (redis_up(backlog->redis)) {
        say_dropped(backlog);
        backlog_retry(backlog);
    }
    if (backlog->halted || backlog->dropped)
        arm(backlog);
}

void backlog_close(struct backlog *backlog)
{
    backlog->closing = true;
    uv_close((uv_handle_t *)&backlog->timer, NULL);
    backlog_retry(backlog);
}

void backlog_free(struct backlog *backlog)
{
    size_t left = 0;
    for (struct list *link = backlog->entries.next, *after; link != &backlog->entries; link = after) {
        after = link->next;
        left++;
        free(list_entry(link, struct entry, place));
    }
    if (left + backlog->dropped)
        LOG(LEVEL_WARNING, "{count} updates for redis are lost with this stop: it was away, too slow, or refused them",
            F_NUMBER("count", left + backlog->dropped));
    free(backlog);
}
