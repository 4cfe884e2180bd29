#include "command/body.h"

#include "base/json.h"
#include "executor/wire.h"
#include "job/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, LARGEST = WIRE_LARGEST / 2 };

int body_make(struct buffer *out, const char *name, const char *data, const char *id, struct error *error)
{
    struct error why;
    struct envelope envelope;
    // Checked alone, so that it cannot end its place.
    struct json *json = json_parse(data, strlen(data), ENVELOPE_DEPTH - 1, &why);
    json_free(json);
    if (!json)
        return error_set(error, "'%s' is not JSON: %s", data, why.text);
    if (!envelope_name_valid(name, strlen(name)))
        return error_set(error, "'%s' is no handler's name: segments of a-z 0-9 _ joined by dots", name);
    buffer_append_text(out, "{\"job\":");
    json_quote(out, name, strlen(name));
    buffer_printf(out, ",\"data\":%s", data);
    if (id) {
        buffer_append_text(out, ",\"id\":");
        json_quote(out, id, strlen(id));
    }
    buffer_append_text(out, "}");
    if (envelope_parse(&envelope, buffer_data(out), buffer_size(out), error) < 0)
        return -1;
    envelope_free(&envelope);
    return 0;
}

/* Until the end of the file. */
static int read_all(struct buffer *out, int fd, const char *path, struct error *error)
{
    ssize_t size;
    while ((size = read(fd, buffer_reserve(out, CHUNK), CHUNK)) != 0) {
        if (size > 0)
            buffer_commit(out, (size_t)size);
        else if (errno != EINTR)
            return error_set(error, "cannot read %s: %s", path, strerror(errno));
        if (buffer_size(out) > LARGEST)
            return error_set(error, "%s is over %d MB: no job is as big", path, LARGEST >> 20);
    }
    return 0;
}

int body_read(struct buffer *out, const char *path, struct error *error)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, "cannot read %s: %s", path, strerror(errno));
    int result = read_all(out, fd, path, error);
    if (fd != STDIN_FILENO)
        close(fd);
    return result;
}
