#include "transfer/signature.h"

#include "base/buffer.h"
#include "transfer/library.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define LIBCRYPTO_FILE "libcrypto.so." OPENSSL_MSTR(OPENSSL_VERSION_MAJOR)

struct libcrypto {
    __typeof__(EVP_DecodeBlock) *decode;
    __typeof__(EVP_EncodeBlock) *encode;
    __typeof__(EVP_sha256) *sha256;
    __typeof__(HMAC) *hmac;
};

static const char *const names[] = {"EVP_DecodeBlock", "EVP_EncodeBlock", "EVP_sha256", "HMAC"};
static const char prefix[] = "whsec_";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const struct libcrypto *crypto_of(const struct signature_key *key)
{
    return (const struct libcrypto *)key->crypto;
}

/* libcrypto wants the padding, which may be left out, counts it as bytes, and takes it anywhere. */
static int decode(struct signature_key *key, const char *text)
{
    unsigned char padded[SIGNATURE_KEY_LONGEST + 4];
    size_t given = strlen(text), length = given;
    if (!given || given > SIGNATURE_KEY_LONGEST)
        return -1;
    while (length && given - length < 2 && text[length - 1] == '=')
        length--;
    size_t whole = (length + 3) / 4 * 4, padding = whole - length;
    if (padding > 2 || (given != length && given != whole) || strspn(text, digits) != length)
        return -1;
    memcpy(padded, text, length);
    memset(padded + length, '=', padding);
    int size = crypto_of(key)->decode(key->bytes, padded, (int)whole);
    key->size = size < 0 ? 0 : (size_t)size - padding;
    return key->size ? 0 : -1;
}

int signature_key_read(struct signature_key *key, const char *secret, struct error *error)
{
    size_t size = strlen(secret);
    *key = (struct signature_key){.size = 0};
    if (library_load(LIBCRYPTO_FILE, names, sizeof names / sizeof *names, key->crypto, error) < 0)
        return -1;
    if (strncmp(secret, prefix, sizeof prefix - 1) == 0)
        return decode(key, secret + sizeof prefix - 1) < 0 ? error_set(error, "no base64 behind %s", prefix) : 0;
    if (!size || size > SIGNATURE_KEY_LONGEST)
        return error_set(error, "not of 1 to %d bytes", SIGNATURE_KEY_LONGEST);
    memcpy(key->bytes, secret, size);
    key->size = size;
    return 0;
}

void signature_make(char signature[SIGNATURE_ROOM], const struct signature_key *key, const char *id, uint64_t timestamp,
    const char *body, size_t size)
{
    const struct libcrypto *crypto = crypto_of(key);
    struct buffer text = {0};
    unsigned char digest[EVP_MAX_MD_SIZE], base64[SIGNATURE_ROOM - 3];
    unsigned length = 0;
    buffer_printf(&text, "%s.%llu.", id, (unsigned long long)timestamp);
    buffer_append(&text, body, size);
    crypto->hmac(crypto->sha256(), key->bytes, (int)key->size, (const unsigned char *)buffer_data(&text),
        buffer_size(&text), digest, &length);
    crypto->encode(base64, digest, (int)length);
    snprintf(signature, SIGNATURE_ROOM, "v1,%s", (const char *)base64);
    buffer_free(&text);
}
