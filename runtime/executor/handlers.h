#ifndef LUNASTALK_EXECUTOR_HANDLERS_H
#define LUNASTALK_EXECUTOR_HANDLERS_H
/* The handlers that an executor has loaded, with what their files say of them. Pure. */
#include <stddef.h>
#include <stdint.h>

struct handler {
    char *name;
    uint32_t timeout_ms;    // 0: not given
    uint32_t retry_max;     // WIRE_UNSET: not given
    uint32_t retry_delay_s; // likewise
};

/* Zero-initialise to use. */
struct handlers {
    struct handler *list; // sorted by name once handlers_sort() was called
    size_t count;
};

/* Takes a copy of `size` bytes as the name. */
void handlers_add(struct handlers *handlers, const char *name, size_t size, const struct handler *options);
void handlers_sort(struct handlers *handlers);
/* NULL when there is none of that name. Sorted ones only. */
const struct handler *handlers_find(const struct handlers *handlers, const char *name);
/* The name that is closest to one that does not exist, or NULL. */
const char *handlers_suggest(const struct handlers *handlers, const char *name);
/* Their names, as many as `room` bytes take, and how many more there are: "a, b and 7 more"; "none" without any. */
void handlers_write_names(const struct handlers *handlers, char *text, size_t room);
void handlers_free(struct handlers *handlers);

#endif
