#ifndef LUNASTALK_TRANSFER_WEBHOOK_H
#define LUNASTALK_TRANSFER_WEBHOOK_H
/*
 * One message to one URL, and how it stands in the body of a callback job:
 *
 *   {"url": "https://…", "id": "webhook-id", "payload": {…}}
 *
 * Anybody may put jobs there, so what is read is checked: nothing in it can end a header line. Pure.
 */
#include "base/buffer.h"
#include "base/error.h"

struct webhook {
    char *url, *id;
    char *payload; // JSON: what is posted
    size_t size;   // of the payload
};

/* Copies all. */
struct webhook webhook_make(const char *url, const char *id, const char *payload, size_t size);
/* Appends the body of its job. */
void webhook_write(struct buffer *out, const struct webhook *webhook);
/* 0, or -1 and why the body is none; freed with webhook_free() in both cases. */
int webhook_read(struct webhook *webhook, const char *body, size_t size, struct error *error);
void webhook_free(struct webhook *webhook);
/* Its URL for logs, cut to `room`: without user, password and query, which may be secret. "?" when it has none. */
void webhook_show_url(const struct webhook *webhook, char *shown, size_t room);

#endif
