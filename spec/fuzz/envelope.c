#include "fuzz.h"
#include "job/envelope.h"

#include <assert.h>
#include <string.h>

static void check_urls(char *const *urls)
{
    size_t count = 0;
    for (; urls && urls[count]; count++)
        assert(strncmp(urls[count], "http://", 7) == 0 || strncmp(urls[count], "https://", 8) == 0);
    assert(!urls || (count && count <= ENVELOPE_CALLBACKS_MOST));
}

int fuzz_envelope(const uint8_t *data, size_t size)
{
    struct envelope envelope;
    struct error error = {""};
    if (envelope_parse(&envelope, (const char *)data, size, &error) < 0) {
        assert(*error.text && !envelope.success && !envelope.error);
        return 0;
    }
    assert(envelope_name_valid(envelope.name, strlen(envelope.name)));
    assert(envelope.retry_max >= -1 && envelope.retry_max <= ENVELOPE_RETRIES_MOST);
    assert(envelope.retry_delay_s >= -1 && envelope.retry_delay_s <= ENVELOPE_DELAY_MOST_S);
    check_urls(envelope.success);
    check_urls(envelope.error);
    envelope_free(&envelope);
    return 0;
}
