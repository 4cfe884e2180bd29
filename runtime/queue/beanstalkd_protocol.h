#ifndef LUNASTALK_QUEUE_BEANSTALKD_PROTOCOL_H
#define LUNASTALK_QUEUE_BEANSTALKD_PROTOCOL_H
/*
 * beanstalkd's protocol (its doc/protocol.txt) as a pure codec: bytes to replies, commands to bytes. No descriptor, no
 * loop. Nothing outside queue/ includes it.
 */
#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

enum { BEANSTALKD_TUBE_LONGEST = 200, BEANSTALKD_BODY_LARGEST = 60 * 1024 * 1024 };

enum beanstalkd_reply_kind {
    REPLY_RESERVED, // number, body
    REPLY_DELETED,
    REPLY_TIMED_OUT,
    REPLY_INSERTED, // number
    REPLY_OK,       // body: YAML
    REPLY_NOT_FOUND,
    REPLY_RELEASED,
    REPLY_BURIED, // number after put, none after bury and release
    REPLY_TOUCHED,
    REPLY_USING,    // body: the tube
    REPLY_WATCHING, // number
    REPLY_FOUND,    // number, body
    REPLY_KICKED,   // number after kick, none after kick-job
    REPLY_PAUSED,
    REPLY_DEADLINE_SOON,
    REPLY_NOT_IGNORED,
    REPLY_JOB_TOO_BIG,
    REPLY_DRAINING,
    REPLY_OUT_OF_MEMORY,
    REPLY_INTERNAL_ERROR,
    REPLY_EXPECTED_CRLF,
    REPLY_BAD_FORMAT,
    REPLY_UNKNOWN_COMMAND,
};

struct beanstalkd_reply {
    enum beanstalkd_reply_kind kind;
    uint64_t number;
    const char *body; // into the bytes that were read
    size_t size;
    size_t whole; // bytes to consume
};

/* The first reply in `bytes`: 1 and the reply, 0 when it is not whole yet, -1 when no reply of beanstalkd begins so. */
int beanstalkd_next(struct beanstalkd_reply *reply, const char *bytes, size_t size);
/* "RESERVED" … as on the wire. */
const char *beanstalkd_reply_name(enum beanstalkd_reply_kind kind);
/* Whether the stream is out of step after this reply, so that the connection has to close. */
bool beanstalkd_reply_fatal(enum beanstalkd_reply_kind kind);

/* 1–200 bytes of A-Za-z0-9 and -+/;.$_() that do not begin with '-'. */
bool beanstalkd_tube_valid(const char *tube, size_t size);

/* Commands with a body, an id or a number; those without are their own text. */
void beanstalkd_put(
    struct buffer *out, uint32_t priority, uint32_t delay_s, uint32_t ttr_s, const void *body, size_t size);
void beanstalkd_command_id(struct buffer *out, const char *command, uint64_t id);
void beanstalkd_release(struct buffer *out, uint64_t id, uint32_t priority, uint32_t delay_s);
void beanstalkd_bury(struct buffer *out, uint64_t id, uint32_t priority);

/*
 * The value of `key` in the YAML of a stats reply, without quotes, NULL when it is not there. `size` is its length.
 */
const char *beanstalkd_stat(const char *yaml, size_t yaml_size, const char *key, size_t *size);
/* The same as a whole number; `otherwise` when it is missing or none. */
uint64_t beanstalkd_stat_number(const char *yaml, size_t yaml_size, const char *key, uint64_t otherwise);
/* The next entry of the YAML of a list reply: call with *at = 0 first; NULL at the end. */
const char *beanstalkd_list_next(const char *yaml, size_t yaml_size, size_t *at, size_t *size);

#endif
