#include "log/digest.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "log/format.h"

#include <stdlib.h>
#include <string.h>

static char *copy_cut(const char *text, size_t size)
{
    size_t kept = utf8_cut(text, size, DIGEST_SHOWN_MOST);
    return kept < size ? mem_printf("%.*s…", (int)kept, text) : mem_copy(text, size);
}

static void free_group(struct digest_group *group)
{
    free(group->channel);
    free(group->message);
    free(group->shown);
    free(group->line);
}

static struct digest_group *find(
    struct digest *digest, enum level level, const char *channel, const char *message, size_t size)
{
    for (size_t i = 0; i < digest->count; i++) {
        struct digest_group *group = &digest->groups[i];
        if (group->level == level && strcmp(group->channel, channel) == 0 && strlen(group->message) == size &&
            memcmp(group->message, message, size) == 0)
            return group;
    }
    return NULL;
}

void digest_add(struct digest *digest, const struct sink_record *record)
{
    size_t size = utf8_cut(record->message, strnlen(record->message, record->size), DIGEST_SHOWN_MOST);
    struct digest_group *group = find(digest, record->level, record->channel, record->message, size);
    if (group) {
        group->count++;
        group->last_ms = record->time_ms;
    } else if (digest->count == DIGEST_GROUPS_MOST) {
        digest->others++;
    } else {
        digest->groups[digest->count++] = (struct digest_group){
            .level = record->level,
            .channel = mem_copy(record->channel, strlen(record->channel)),
            .message = mem_copy(record->message, size),
            .shown = copy_cut(record->filled, record->filled_size),
            .line = copy_cut(record->line, record->line_size - 1),
            .count = 1,
            .first_ms = record->time_ms,
            .last_ms = record->time_ms,
            .workers = 1,
        };
    }
}

/* Takes over the group's texts. */
static void add_group(struct digest *digest, struct digest_group *added)
{
    struct digest_group *group = find(digest, added->level, added->channel, added->message, strlen(added->message));
    if (!group && digest->count < DIGEST_GROUPS_MOST) {
        digest->groups[digest->count++] = *added;
        return;
    }
    if (group) {
        group->count += added->count;
        group->first_ms = added->first_ms < group->first_ms ? added->first_ms : group->first_ms;
        group->last_ms = added->last_ms > group->last_ms ? added->last_ms : group->last_ms;
        group->workers = added->workers > group->workers ? added->workers : group->workers;
    } else {
        digest->others += added->count;
    }
    free_group(added);
}

void digest_merge(struct digest *digest, struct digest *from)
{
    for (size_t i = 0; i < from->count; i++)
        add_group(digest, &from->groups[i]);
    digest->others += from->others;
    *from = (struct digest){.count = 0};
}

static void put_member(struct buffer *out, const char *key, const char *text)
{
    buffer_printf(out, ",\"%s\":", key);
    json_quote(out, text, strlen(text));
}

void digest_export(struct buffer *out, const struct digest *digest, const char *worker)
{
    buffer_append_text(out, "[");
    for (size_t i = 0; i < digest->count; i++) {
        const struct digest_group *group = &digest->groups[i];
        buffer_printf(out, "%s{\"level\":%d,\"count\":%llu,\"first\":%llu,\"last\":%llu,\"workers\":%u", i ? "," : "",
            (int)group->level, (unsigned long long)group->count, (unsigned long long)group->first_ms,
            (unsigned long long)group->last_ms, group->workers);
        put_member(out, "channel", group->channel);
        put_member(out, "message", group->message);
        put_member(out, "shown", group->shown);
        put_member(out, "line", group->line);
        put_member(out, "worker", worker);
        buffer_append_text(out, "}");
    }
    if (digest->others)
        buffer_printf(out, "%s{\"others\":%llu}", digest->count ? "," : "", (unsigned long long)digest->others);
    buffer_append_text(out, "]");
}

static char *copy_member(const struct json *object, const char *key)
{
    size_t size;
    const char *text = json_as_text(json_member(object, key), &size);
    return text ? mem_copy(text, strlen(text)) : NULL;
}

static uint64_t number_member(const struct json *object, const char *key)
{
    double number = json_as_number(json_member(object, key), 0);
    return number > 0 && number < 9e15 ? (uint64_t)number : 0;
}

void digest_import(struct digest *digest, const char *json, size_t size)
{
    struct error ignored;
    struct json *object = json_parse(json, size, 4, &ignored);
    int64_t level = json_as_integer(json_member(object, "level"), -1);
    struct digest_group group = {
        .level = level >= 0 && level < LEVEL_COUNT ? (enum level)level : LEVEL_COUNT,
        .channel = copy_member(object, "channel"),
        .message = copy_member(object, "message"),
        .shown = copy_member(object, "shown"),
        .line = copy_member(object, "line"),
        .count = number_member(object, "count"),
        .first_ms = number_member(object, "first"),
        .last_ms = number_member(object, "last"),
        .workers = (unsigned)number_member(object, "workers"),
    };
    digest->others += number_member(object, "others");
    if (group.level < LEVEL_COUNT && group.channel && group.message && group.shown && group.line && group.count)
        add_group(digest, &group);
    else
        free_group(&group);
    json_free(object);
}

uint64_t digest_records(const struct digest *digest)
{
    uint64_t count = digest->others;
    for (size_t i = 0; i < digest->count; i++)
        count += digest->groups[i].count;
    return count;
}

void digest_subject(struct buffer *out, const struct digest *digest, const char *host, const char *worker)
{
    enum { SHOWN = 200 };
    const struct digest_group *worst = NULL;
    for (size_t i = 0; i < digest->count; i++)
        if (!worst || digest->groups[i].level > worst->level)
            worst = &digest->groups[i];
    buffer_printf(out, "[%s] %s: ", host, worker);
    const char *shown = worst ? worst->shown : "";
    size_t kept = utf8_cut(shown, strlen(shown), SHOWN);
    buffer_append(out, shown, kept);
    if (shown[kept])
        buffer_append_text(out, "…");
    if (digest->count > 1)
        buffer_printf(out, ", and %zu more", digest->count - 1);
}

static void put_group(struct buffer *out, const struct digest_group *group)
{
    buffer_printf(out, "%s %s: %s\n  %llu time%s, ", level_name(group->level), group->channel, group->shown,
        (unsigned long long)group->count, group->count == 1 ? "" : "s");
    format_time(out, group->first_ms);
    buffer_append_text(out, "Z");
    if (group->last_ms != group->first_ms) {
        buffer_append_text(out, " to ");
        format_time(out, group->last_ms);
        buffer_append_text(out, "Z");
    }
    if (group->workers > 1)
        buffer_printf(out, ", from %u workers", group->workers);
    buffer_printf(out, "\n  %s%s\n\n", group->count == 1 ? "" : "the first: ", group->line);
}

void digest_text(struct buffer *out, const struct digest *digest, const char *worker)
{
    for (size_t i = 0; i < digest->count; i++)
        put_group(out, &digest->groups[i]);
    if (digest->others)
        buffer_printf(out, "%llu more records of other kinds\n\n", (unsigned long long)digest->others);
    buffer_printf(out, "-- \nlunastalk, %s\n", worker);
}

void digest_clear(struct digest *digest)
{
    for (size_t i = 0; i < digest->count; i++)
        free_group(&digest->groups[i]);
    *digest = (struct digest){.count = 0};
}
