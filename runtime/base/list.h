#ifndef LUNASTALK_BASE_LIST_H
#define LUNASTALK_BASE_LIST_H
/*
 * An intrusive, circular, doubly linked list: a head and the links inside the elements. A link that is in no list
 * points at itself after list_init() or list_remove(), so removing twice is harmless.
 */
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define list_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Puts `link` before `place`: the head as place appends, head->next prepends. `link` must be in no list. */
static inline void list_insert(struct list *place, struct list *link)
{
    link->next = place;
    link->prev = place->prev;
    place->prev->next = link;
    place->prev = link;
}

/* Moves all of `from`, which is empty then, into `to`, which may be uninitialised. */
static inline void list_take(struct list *from, struct list *to)
{
    list_init(to);
    list_insert(from->next, to); // where the first of them is
    list_remove(from);
}

#endif
