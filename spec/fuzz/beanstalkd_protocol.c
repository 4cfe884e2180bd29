#include "base/memory.h"
#include "fuzz.h"
#include "queue/beanstalkd_protocol.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Looks up all that the driver does, in a copy that ends where the body ends. */
static void look_up(const char *body, size_t body_size)
{
    static const char *const keys[] = {"id", "version", "tube", "pri", "ttr", "age", "buries", "state", "", "- "};
    char *yaml = malloc(body_size + !body_size);
    memcpy(yaml, body, body_size);
    size_t size, at = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = beanstalkd_stat(yaml, body_size, keys[i], &size);
        assert(!value || (value >= yaml && value + size <= yaml + body_size));
        beanstalkd_stat_number(yaml, body_size, keys[i], 7);
    }
    for (const char *entry; (entry = beanstalkd_list_next(yaml, body_size, &at, &size));)
        assert(entry + size <= yaml + body_size);
    free(yaml);
}

/* However the network cuts a reply, it is awaited and neither read early nor refused. */
static void check_cuts(const char *bytes, size_t whole)
{
    struct beanstalkd_reply reply;
    for (size_t cut = 0; cut < whole && cut < 300; cut++)
        assert(beanstalkd_next(&reply, bytes, cut) == 0);
    assert(beanstalkd_next(&reply, bytes, whole) == 1 && reply.whole == whole);
}

int fuzz_beanstalkd_protocol(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct beanstalkd_reply reply;
    while (beanstalkd_next(&reply, bytes, size) == 1) {
        assert(reply.whole && reply.whole <= size);
        assert(*beanstalkd_reply_name(reply.kind));
        beanstalkd_reply_fatal(reply.kind);
        if (reply.body) {
            assert(reply.body > bytes && reply.body + reply.size < bytes + reply.whole);
            look_up(reply.body, reply.size);
            beanstalkd_tube_valid(reply.body, reply.size);
        }
        check_cuts(bytes, reply.whole);
        bytes += reply.whole;
        size -= reply.whole;
    }
    return 0;
}
