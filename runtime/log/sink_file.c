/*
 * A file: opened for appending, written in batches of whole records by a thread of libuv's pool, one batch at a time. A
 * batch that cannot be written is tried again each second; what ends a record that was cut by a full disk is dropped. A
 * write that hangs (a dead NFS) holds up the end of the worker, and nothing before it.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "log/kept.h"
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { FILE_MODE = 0640, DIRECTORY_MODE = 0755, RETRY_NS = 1000 * 1000 * 1000 };
enum { KEPT_IN_FILE = 8 * 1024 * 1024 }; // what a burst brings before a busy machine lets the thread write

struct file {
    struct sink *sink;
    uv_loop_t *loop;
    char *path;
    struct kept kept;
    uint64_t retry_at_ns; // after a failure; 0: now
    bool busy, closing;

    /* The batch: the thread's while `busy`. */
    uv_work_t work;
    int fd;      // -1: not open
    bool reopen; // before the batch is written
    bool cut;    // what was written last ends in the middle of a record
    struct buffer batch;
    size_t written;
    int error;                  // errno, or 0
    unsigned long long records; // written, since the log was told

    bool renamed; // since the batch was begun
};

static void *open_file(void *context, const struct config_sink *config, struct sink *sink)
{
    struct file *file = mem_new(sizeof *file);
    file->sink = sink;
    file->kept.most = KEPT_IN_FILE;
    file->loop = context;
    file->path = mem_copy(config->path, strlen(config->path));
    file->work.data = file;
    file->fd = -1;
    return file;
}

/* ---- on a thread ---- */

/* All directories above the file. 0, or errno of the first that is not there and cannot be made. */
static int make_directories(char *path)
{
    int error = 0;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST && !error)
            error = errno;
        *slash = '/';
    }
    return error;
}

static bool reach(struct file *file)
{
    enum {
        FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
    }; // a FIFO would wait for a reader
    if (file->fd >= 0 && file->reopen) {
        close(file->fd);
        file->fd = -1;
        file->cut = false;
    }
    file->reopen = false;
    if (file->fd >= 0)
        return true;
    file->fd = open(file->path, FLAGS, FILE_MODE);
    if (file->fd < 0 && errno == ENOENT) {
        int error = make_directories(file->path);
        file->fd = open(file->path, FLAGS, FILE_MODE);
        if (file->fd < 0 && error)
            errno = error; // why there is still no such directory
    }
    return file->fd >= 0;
}

static bool put(int fd, const char *bytes, size_t size, size_t *written)
{
    while (size) {
        ssize_t result = write(fd, bytes, size);
        if (result < 0 && errno != EINTR)
            return false;
        if (result > 0) {
            bytes += result;
            size -= (size_t)result;
            *written += (size_t)result;
        }
    }
    return true;
}

static void write_batch(struct file *file)
{
    size_t ended = 0;
    file->written = 0;
    file->error = 0;
    bool good = reach(file) && (!file->cut || put(file->fd, "\n", 1, &ended));
    if (ended)
        file->cut = false;
    if (!good || !put(file->fd, buffer_data(&file->batch), buffer_size(&file->batch), &file->written))
        file->error = errno;
}

static void on_work(uv_work_t *work)
{
    write_batch(work->data);
}

/* ---- on the loop ---- */

static void free_file(struct file *file)
{
    const struct buffer *batch = &file->batch;
    sink_lost("file", file->path, kept_count(buffer_data(batch), buffer_size(batch)) + kept_lost(&file->kept));
    if (file->fd >= 0)
        close(file->fd);
    buffer_free(&file->batch);
    buffer_free(&file->kept.lines);
    free(file->path);
    free(file);
}

/* What the thread has written goes from the batch, with the rest of a record that was cut. */
static void settle(struct file *file)
{
    struct kept batch = {.lines = file->batch};
    file->records += kept_count(buffer_data(&file->batch), file->written);
    kept_consume(&batch, file->written);
    if (batch.begun) {
        buffer_consume(&batch.lines, batch.begun);
        file->cut = true;
        file->kept.dropped++;
    }
    file->batch = batch.lines;
    file->retry_at_ns = file->error ? clock_ns() + RETRY_NS : 0;
    if (file->closing)
        return;
    if (file->error) {
        sink_failed(file->sink, strerror(file->error));
    } else {
        sink_wrote(file->sink, file->records, kept_take_dropped(&file->kept));
        file->records = 0;
    }
}

static void take_batch(struct file *file)
{
    if (!buffer_size(&file->batch)) {
        struct buffer empty = file->batch;
        file->batch = file->kept.lines;
        file->kept.lines = empty;
    }
    file->reopen = file->reopen || file->renamed;
    file->renamed = false;
}

static bool has_records(const struct file *file)
{
    return buffer_size(&file->batch) || buffer_size(&file->kept.lines);
}

static void on_written(uv_work_t *work, int status);

static bool flush(void *state)
{
    struct file *file = state;
    if (file->busy || !(has_records(file) || (file->renamed && file->fd >= 0)))
        return false;
    if (file->retry_at_ns && clock_ns() < file->retry_at_ns && !file->renamed)
        return true;
    take_batch(file);
    file->busy = uv_queue_work(file->loop, &file->work, on_work, on_written) == 0;
    return !file->busy;
}

static void on_written(uv_work_t *work, int status)
{
    struct file *file = work->data;
    file->busy = false;
    if (status != 0) // it was cancelled: never begun
        file->written = 0;
    settle(file);
    if (!file->closing || !file->error)
        flush(file); // what has come meanwhile
    if (file->closing && !file->busy)
        free_file(file);
}

static void take(void *state, const struct sink_record *record)
{
    struct file *file = state;
    kept_add(&file->kept, record->line, record->line_size);
}

static void reopen(void *state)
{
    struct file *file = state;
    file->renamed = true;
}

static void close_file(void *state)
{
    struct file *file = state;
    file->closing = true;
    file->retry_at_ns = 0;
    flush(file);
    if (!file->busy)
        free_file(file);
}

const struct sink_class sink_file = {
    .open = open_file, .take = take, .flush = flush, .reopen = reopen, .close = close_file};
