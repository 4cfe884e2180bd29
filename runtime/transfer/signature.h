#ifndef LUNASTALK_TRANSFER_SIGNATURE_H
#define LUNASTALK_TRANSFER_SIGNATURE_H
/* Signatures of the Standard Webhooks convention (standardwebhooks.com): HMAC-SHA256 of "ID.TIMESTAMP.BODY". Pure. */
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_KEY_LONGEST = 256, SIGNATURE_ROOM = 64 };

struct signature_key {
    unsigned char bytes[SIGNATURE_KEY_LONGEST];
    size_t size;     // 0: nothing is signed
    void *crypto[4]; // of libcrypto, as signature.c has them
};

/* The key that a configured secret stands for: base64 behind "whsec_", else its own bytes. 0, or -1 and what is wrong.
 */
int signature_key_read(struct signature_key *key, const char *secret, struct error *error);

/* Writes "v1," and the signature in base64; `id` is that of the webhook, `timestamp` in Unix seconds. */
void signature_make(char signature[SIGNATURE_ROOM], const struct signature_key *key, const char *id, uint64_t timestamp,
    const char *body, size_t size);

#endif
