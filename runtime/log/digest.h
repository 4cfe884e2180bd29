#ifndef LUNASTALK_LOG_DIGEST_H
#define LUNASTALK_LOG_DIGEST_H
/*
 * Records grouped by level, channel and message, for one mail: 50 groups at most, what is of others is counted. Groups
 * are also JSON, as which the workers of a pool put them together in Redis (redis/digests.h). Zero-initialise.
 */
#include "log/sink.h"

enum { DIGEST_GROUPS_MOST = 50, DIGEST_SHOWN_MOST = 2000 };

struct digest_group {
    enum level level;
    char *channel, *message; // what makes the group
    char *shown;             // the message of its first record, filled; DIGEST_SHOWN_MOST bytes
    char *line;              // its first record, likewise cut
    uint64_t count, first_ms, last_ms;
    unsigned workers; // that had it
};

struct digest {
    struct digest_group groups[DIGEST_GROUPS_MOST];
    size_t count;
    uint64_t others; // records without a group
};

void digest_add(struct digest *digest, const struct sink_record *record);
/* Moves all of `from` into `digest`. */
void digest_merge(struct digest *digest, struct digest *from);
/* Appends a JSON array of the groups, each with its worker's id. */
void digest_export(struct buffer *out, const struct digest *digest, const char *worker);
/* Adds what came from Redis: one group, or {"others":n}. What is none is left out. */
void digest_import(struct digest *digest, const char *json, size_t size);
uint64_t digest_records(const struct digest *digest);
/* "[web1] worker1: the message of the worst group, and 3 more" */
void digest_subject(struct buffer *out, const struct digest *digest, const char *host, const char *worker);
/* The mail's text. */
void digest_text(struct buffer *out, const struct digest *digest, const char *worker);
void digest_clear(struct digest *digest);

#endif
