#ifndef LUNASTALK_TRANSFER_MAIL_H
#define LUNASTALK_TRANSFER_MAIL_H
/*
 * Mail by SMTP. With a `user`, whose password is on its way, or a `ca_file` smtp:// insists on STARTTLS and on the
 * certificate; else it takes it where the server offers it and whoever that is. smtps:// is TLS from the start. 5 s to connect, 30 s in all.
 */
#include "transfer/loop.h"

#include <stdint.h>

struct mail {
    const char *server;           // "smtp://host:port"
    const char *user, *password;  // user NULL: no login
    const char *ca_file;          // NULL: the authorities of the system
    const char *from;             // an address
    const char *const *addresses; // the receivers
    size_t address_count;
    const char *subject; // UTF-8; what cannot stand in a header is shown as a space
    size_t subject_size;
    const char *text; // UTF-8
    size_t size;
    uint64_t time_ms; // Unix time
    const char *id;   // unlike that of any other mail: the left part of the Message-ID
};

/* `why` is NULL when the server has accepted it for all receivers. Once, also from within mail_send(). */
typedef void mail_done(void *context, const char *why);

/* Copies all of it. */
void mail_send(struct transfer_loop *loop, const struct mail *mail, mail_done *done, void *context);
/* Appends the header "Subject: …" with its line end, encoded words (RFC 2047) where it is not plain ASCII. */
void mail_subject(struct buffer *out, const char *text, size_t size);

#endif
