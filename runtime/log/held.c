#include "log/held.h"

#include "base/list.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MOST = 100, BYTES_MOST = 64 * 1024, ALL_MOST = 4 * 1024 * 1024, RINGS_MOST = 512 };

struct held {
    struct list rings; // the one that was last added to is the last
    size_t count, bytes;
};

struct ring {
    struct list place;
    uint64_t job;
    struct list records;
    size_t count, bytes;
};

struct copy {
    struct list place;
    struct sink_record record; // its texts stand behind
    size_t bytes;
    char texts[];
};

struct held *held_new(void)
{
    struct held *held = mem_new(sizeof *held);
    list_init(&held->rings);
    return held;
}

static struct copy *copy_record(const struct sink_record *record)
{
    size_t channel = strlen(record->channel) + 1;
    size_t size = channel + record->size + record->line_size + record->filled_size;
    struct copy *copy = mem_new(sizeof *copy + size);
    char *message = copy->texts + channel, *line = message + record->size, *filled = line + record->line_size;
    memcpy(copy->texts, record->channel, channel);
    memcpy(message, record->message, record->size);
    memcpy(line, record->line, record->line_size);
    if (record->filled_size)
        memcpy(filled, record->filled, record->filled_size);
    copy->record = *record;
    copy->record.channel = copy->texts;
    copy->record.message = message;
    copy->record.line = line;
    copy->record.filled = filled;
    copy->bytes = sizeof *copy + size;
    return copy;
}

static void drop(struct held *held, struct ring *ring, struct copy *copy)
{
    list_remove(&copy->place);
    ring->count--;
    ring->bytes -= copy->bytes;
    held->bytes -= copy->bytes;
    free(copy);
}

static void drop_ring(struct held *held, struct ring *ring)
{
    for (struct list *link = ring->records.next, *after; link != &ring->records; link = after) {
        after = link->next;
        drop(held, ring, list_entry(link, struct copy, place));
    }
    list_remove(&ring->place);
    held->count--;
    free(ring);
}

void held_free(struct held *held)
{
    if (!held)
        return;
    for (struct list *link = held->rings.next, *after; link != &held->rings; link = after) {
        after = link->next;
        drop_ring(held, list_entry(link, struct ring, place));
    }
    free(held);
}

/* Whose job speaks has most often spoken just before. */
static struct ring *find(const struct held *held, uint64_t job)
{
    for (struct list *link = held->rings.prev; link != &held->rings; link = link->prev) {
        struct ring *ring = list_entry(link, struct ring, place);
        if (ring->job == job)
            return ring;
    }
    return NULL;
}

static bool is_full(const struct ring *ring)
{
    return ring->count > RECORDS_MOST || (ring->bytes > BYTES_MOST && ring->count > 1);
}

void held_add(struct held *held, uint64_t job, const struct sink_record *record)
{
    struct ring *ring = find(held, job);
    struct copy *copy = copy_record(record);
    if (ring) {
        list_remove(&ring->place);
    } else {
        ring = mem_new(sizeof *ring);
        ring->job = job;
        list_init(&ring->records);
        held->count++;
    }
    list_insert(&held->rings, &ring->place);
    list_insert(&ring->records, &copy->place);
    ring->count++;
    ring->bytes += copy->bytes;
    held->bytes += copy->bytes;
    for (struct list *link = ring->records.next, *after; is_full(ring); link = after) {
        after = link->next;
        drop(held, ring, list_entry(link, struct copy, place));
    }
    for (struct list *link = held->rings.next, *after; held->bytes > ALL_MOST || held->count > RINGS_MOST;
         link = after) {
        after = link->next;
        drop_ring(held, list_entry(link, struct ring, place));
    }
}

void held_end(
    struct held *held, uint64_t job, void (*take)(void *context, const struct sink_record *record), void *context)
{
    struct ring *ring = find(held, job);
    if (!ring)
        return;
    for (struct list *link = ring->records.next; take && link != &ring->records; link = link->next)
        take(context, &list_entry(link, struct copy, place)->record);
    drop_ring(held, ring);
}
