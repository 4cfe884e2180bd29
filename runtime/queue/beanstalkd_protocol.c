#include "queue/beanstalkd_protocol.h"

#include <stdio.h>
#include <string.h>

/* What follows the word on the reply's line. */
enum shape { NOTHING, NUMBER, MAYBE_NUMBER, TUBE, NUMBER_AND_BODY, BODY };

static const struct {
    const char *word;
    enum shape shape;
    bool fatal;
} replies[] = {
    [REPLY_RESERVED] = {"RESERVED", NUMBER_AND_BODY, false},
    [REPLY_DELETED] = {"DELETED", NOTHING, false},
    [REPLY_TIMED_OUT] = {"TIMED_OUT", NOTHING, false},
    [REPLY_INSERTED] = {"INSERTED", NUMBER, false},
    [REPLY_OK] = {"OK", BODY, false},
    [REPLY_NOT_FOUND] = {"NOT_FOUND", NOTHING, false},
    [REPLY_RELEASED] = {"RELEASED", NOTHING, false},
    [REPLY_BURIED] = {"BURIED", MAYBE_NUMBER, false},
    [REPLY_TOUCHED] = {"TOUCHED", NOTHING, false},
    [REPLY_USING] = {"USING", TUBE, false},
    [REPLY_WATCHING] = {"WATCHING", NUMBER, false},
    [REPLY_FOUND] = {"FOUND", NUMBER_AND_BODY, false},
    [REPLY_KICKED] = {"KICKED", MAYBE_NUMBER, false},
    [REPLY_PAUSED] = {"PAUSED", NOTHING, false},
    [REPLY_DEADLINE_SOON] = {"DEADLINE_SOON", NOTHING, false},
    [REPLY_NOT_IGNORED] = {"NOT_IGNORED", NOTHING, false},
    [REPLY_JOB_TOO_BIG] = {"JOB_TOO_BIG", NOTHING, false},
    [REPLY_DRAINING] = {"DRAINING", NOTHING, false},
    [REPLY_OUT_OF_MEMORY] = {"OUT_OF_MEMORY", NOTHING, false},
    [REPLY_INTERNAL_ERROR] = {"INTERNAL_ERROR", NOTHING, false},
    [REPLY_EXPECTED_CRLF] = {"EXPECTED_CRLF", NOTHING, true},
    [REPLY_BAD_FORMAT] = {"BAD_FORMAT", NOTHING, true},
    [REPLY_UNKNOWN_COMMAND] = {"UNKNOWN_COMMAND", NOTHING, true},
};

enum { REPLY_KINDS = sizeof replies / sizeof *replies, LINE_LONGEST = 256 };

const char *beanstalkd_reply_name(enum beanstalkd_reply_kind kind)
{
    return replies[kind].word;
}

bool beanstalkd_reply_fatal(enum beanstalkd_reply_kind kind)
{
    return replies[kind].fatal;
}

/* Reads " 123" at *at; false when there is no such number below 2^64. */
static bool read_number(const char *line, size_t length, size_t *at, uint64_t *number)
{
    size_t digit = *at + 1;
    if (*at >= length || line[*at] != ' ')
        return false;
    *number = 0;
    for (; digit < length && line[digit] >= '0' && line[digit] <= '9'; digit++) {
        uint64_t value = (uint64_t)(line[digit] - '0');
        if (*number > (UINT64_MAX - value) / 10)
            return false;
        *number = *number * 10 + value;
    }
    bool some = digit > *at + 1;
    *at = digit;
    return some;
}

/* The arguments of the line behind its word; `body` is set when one follows the line. False: malformed. */
static bool read_arguments(struct beanstalkd_reply *reply, const char *line, size_t length, size_t at, uint64_t *body)
{
    switch (replies[reply->kind].shape) {
    case NOTHING: break;
    case MAYBE_NUMBER:
        if (at == length)
            break;
        // fall through
    case NUMBER:
        if (!read_number(line, length, &at, &reply->number))
            return false;
        break;
    case TUBE:
        reply->body = line + at + 1;
        reply->size = length > at ? length - at - 1 : 0;
        return length > at && line[at] == ' ' && beanstalkd_tube_valid(reply->body, reply->size);
    case NUMBER_AND_BODY:
        if (!read_number(line, length, &at, &reply->number))
            return false;
        // fall through
    case BODY:
        if (!read_number(line, length, &at, body) || *body > BEANSTALKD_BODY_LARGEST)
            return false;
        break;
    }
    return at == length;
}

static int find_kind(const char *line, size_t length, size_t *word)
{
    const char *space = memchr(line, ' ', length);
    *word = space ? (size_t)(space - line) : length;
    for (int kind = 0; kind < REPLY_KINDS; kind++)
        if (strlen(replies[kind].word) == *word && memcmp(replies[kind].word, line, *word) == 0)
            return kind;
    return -1;
}

int beanstalkd_next(struct beanstalkd_reply *reply, const char *bytes, size_t size)
{
    const char *end = memchr(bytes, '\n', size < LINE_LONGEST ? size : LINE_LONGEST);
    if (!end)
        return size < LINE_LONGEST ? 0 : -1;
    if (end == bytes || end[-1] != '\r')
        return -1;
    size_t length = (size_t)(end - bytes) - 1, word;
    int kind = find_kind(bytes, length, &word);
    if (kind < 0)
        return -1;
    uint64_t body = UINT64_MAX; // none
    *reply = (struct beanstalkd_reply){.kind = (enum beanstalkd_reply_kind)kind, .whole = length + 2};
    if (!read_arguments(reply, bytes, length, word, &body))
        return -1;
    if (body == UINT64_MAX)
        return 1;
    if (size - reply->whole < body + 2)
        return 0;
    reply->body = end + 1;
    reply->size = (size_t)body;
    reply->whole += reply->size + 2;
    return memcmp(reply->body + reply->size, "\r\n", 2) == 0 ? 1 : -1;
}

bool beanstalkd_tube_valid(const char *tube, size_t size)
{
    if (!size || size > BEANSTALKD_TUBE_LONGEST || tube[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = tube[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("-+/;.$_()", c)))
            return false;
    }
    return true;
}

void beanstalkd_put(
    struct buffer *out, uint32_t priority, uint32_t delay_s, uint32_t ttr_s, const void *body, size_t size)
{
    buffer_printf(out, "put %u %u %u %zu\r\n", priority, delay_s, ttr_s, size);
    buffer_append(out, body, size);
    buffer_append(out, "\r\n", 2);
}

void beanstalkd_command_id(struct buffer *out, const char *command, uint64_t id)
{
    buffer_printf(out, "%s %llu\r\n", command, (unsigned long long)id);
}

void beanstalkd_release(struct buffer *out, uint64_t id, uint32_t priority, uint32_t delay_s)
{
    buffer_printf(out, "release %llu %u %u\r\n", (unsigned long long)id, priority, delay_s);
}

void beanstalkd_bury(struct buffer *out, uint64_t id, uint32_t priority)
{
    buffer_printf(out, "bury %llu %u\r\n", (unsigned long long)id, priority);
}

/* The length of the line at `from`; *next is where the following one begins. */
static size_t line_at(const char *yaml, size_t size, size_t from, size_t *next)
{
    const char *end = memchr(yaml + from, '\n', size - from);
    size_t length = end ? (size_t)(end - yaml) - from : size - from;
    *next = from + length + 1;
    return length;
}

/* 1.13 and later quote names. */
static const char *unquoted(const char *value, size_t *size)
{
    if (*size >= 2 && value[0] == '"' && value[*size - 1] == '"') {
        *size -= 2;
        return value + 1;
    }
    return value;
}

const char *beanstalkd_stat(const char *yaml, size_t yaml_size, const char *key, size_t *size)
{
    size_t name = strlen(key);
    for (size_t at = 0, next; at < yaml_size; at = next) {
        size_t length = line_at(yaml, yaml_size, at, &next);
        const char *line = yaml + at;
        if (length < name + 2 || memcmp(line, key, name) != 0 || memcmp(line + name, ": ", 2) != 0)
            continue;
        *size = length - name - 2;
        return unquoted(line + name + 2, size);
    }
    return NULL;
}

uint64_t beanstalkd_stat_number(const char *yaml, size_t yaml_size, const char *key, uint64_t otherwise)
{
    size_t size, at = 0;
    uint64_t number;
    const char *value = beanstalkd_stat(yaml, yaml_size, key, &size);
    // read_number() wants the space before the value, which the ": " has.
    if (!value || value[-1] != ' ' || !read_number(value - 1, size + 1, &at, &number) || at != size + 1)
        return otherwise;
    return number;
}

const char *beanstalkd_list_next(const char *yaml, size_t yaml_size, size_t *at, size_t *size)
{
    while (*at < yaml_size) {
        const char *line = yaml + *at;
        size_t length = line_at(yaml, yaml_size, *at, at);
        if (length < 2 || memcmp(line, "- ", 2) != 0)
            continue;
        *size = length - 2;
        return unquoted(line + 2, size);
    }
    return NULL;
}
