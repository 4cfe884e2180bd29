#include "executor/child.h"

#include "base/files.h"
#include "base/memory.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LOAD_SLOW_MS = 5 * 1000,
    LOAD_LIMIT_MS = 60 * 1000,
    EXIT_LIMIT_MS = 100,
    STUCK_MS = 5000,
    READ_CHUNK = 64 * 1024
};

bool executor_ready(const struct executor *executor)
{
    return executor->state == EXECUTOR_READY && !executor->stopping && !*executor->fault;
}

bool executor_active(const struct executor *executor)
{
    return executor->load || executor->stopping;
}

uint64_t executor_ended(const struct executor *executor)
{
    return executor->ended;
}

uint64_t executor_id(const struct executor *executor)
{
    return executor->id;
}

void executor_drain_wire(struct executor *executor)
{
    int fd;
    if (uv_fileno((uv_handle_t *)&executor->wire, &fd) != 0)
        return;
    for (;;) {
        ssize_t size = read(fd, buffer_reserve(&executor->in, READ_CHUNK), READ_CHUNK);
        if (size > 0)
            buffer_commit(&executor->in, (size_t)size);
        else if (size == 0 || errno != EINTR)
            break;
    }
    frames_read(executor);
}

void executor_flush(struct executor *executor)
{
    outbox_flush(&executor->outbox);
}

static void on_stuck(uv_timer_t *timer)
{
    struct executor *executor = timer->data;
    executor->events.stuck(executor->events.context, executor);
}

void executor_kill(struct executor *executor, const char *why)
{
    if (executor->state == EXECUTOR_GONE || *executor->fault)
        return;
    snprintf(executor->fault, sizeof executor->fault, "%s", why);
    uv_timer_start(&executor->limit, on_stuck, STUCK_MS, 0);
    // The group, with all that handlers have started; the process alone when it has not made its group yet.
    if (kill(-executor->process.pid, SIGKILL) != 0)
        uv_process_kill(&executor->process, SIGKILL);
}

void executor_break(struct executor *executor, const char *why)
{
    executor->broken = true;
    executor_kill(executor, why);
}

void executor_stop(struct executor *executor)
{
    if (executor->stopping)
        return;
    executor->stopping = true;
    if (executor->state == EXECUTOR_LOADING) {
        executor_kill(executor, "it was not needed any more"); // whatever its handlers do while they are loaded
        return;
    }
    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_STOP);
    wire_end(&writer);
    outbox_flush(&executor->outbox);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct executor *executor = handle->data;
    if (--executor->handles)
        return;
    munmap(executor->board, BOARD_SIZE);
    outbox_free(&executor->outbox);
    buffer_free(&executor->in);
    buffer_free(&executor->recent);
    buffer_free(&executor->out.line);
    buffer_free(&executor->err.line);
    handlers_free(&executor->handlers);
    free(executor);
}

/* Made before the child starts, removed off the loop when it is gone: nobody knows how much is in it. */
static void make_directory(struct executor *executor)
{
    const char *temporary = executor->options.temporary;
    if (!temporary || !*temporary)
        return;
    snprintf(executor->directory, sizeof executor->directory, "%s/%llu", temporary, (unsigned long long)executor->id);
    if (mkdir(executor->directory, S_IRWXU) != 0)
        *executor->directory = '\0';
}

static void remove_files(uv_work_t *work)
{
    files_remove(work->data, true);
}

static void on_removed(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
    free(work);
}

static void remove_directory(struct executor *executor)
{
    if (!*executor->directory)
        return;
    uv_work_t *work = mem_new(sizeof *work);
    work->data = mem_copy(executor->directory, strlen(executor->directory));
    uv_queue_work(executor->loop, work, remove_files, on_removed);
}

static void close_handle(struct executor *executor, void *handle)
{
    ((uv_handle_t *)handle)->data = executor;
    executor->handles++;
    uv_close(handle, on_handle_closed);
}

static void describe_exit(struct executor *executor, int64_t status, int signal, char *why, size_t room)
{
    if (*executor->fault)
        snprintf(why, room, "%s", executor->fault);
    else if (signal)
        snprintf(why, room, "killed by signal %d (%s)", signal, strsignal(signal));
    else
        snprintf(why, room, "the executor exited with code %d", (int)status);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct executor *executor = process->data;
    char why[160];
    uv_read_stop((uv_stream_t *)&executor->wire);
    executor_drain_wire(executor);
    output_drain(&executor->out);
    output_drain(&executor->err);
    kill(-process->pid, SIGKILL); // what its handlers have left running
    describe_exit(executor, status, signal, why, sizeof why);
    uv_timer_stop(&executor->limit);
    uv_timer_stop(&executor->ring);
    executor->state = EXECUTOR_GONE;
    remove_directory(executor);
    executor_give_all_back(executor, why);
    executor->events.gone(executor->events.context, executor, why);
    close_handle(executor, &executor->process);
    close_handle(executor, &executor->wire);
    close_handle(executor, &executor->limit);
    close_handle(executor, &executor->ring);
    close_handle(executor, &executor->out.pipe);
    close_handle(executor, &executor->err.pipe);
}

static void on_load_limit(uv_timer_t *timer);

static void on_load_slow(uv_timer_t *timer)
{
    const struct executor *executor = timer->data;
    LOG(LEVEL_WARNING,
        "the handlers in {path} are still being loaded after 5 s: what do they do outside of their functions?",
        F_TEXT("path", executor->options.jobs_path));
    uv_timer_start(timer, on_load_limit, LOAD_LIMIT_MS - LOAD_SLOW_MS, 0);
}

static void on_load_limit(uv_timer_t *timer)
{
    executor_kill(timer->data, "its handlers were not loaded within 60 s");
}

static void on_exit_limit(uv_timer_t *timer)
{
    executor_kill(timer->data, "it closed the wire (fd 3)");
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct executor *executor = handle->data;
    (void)suggested;
    *room = uv_buf_init(buffer_reserve(&executor->in, READ_CHUNK), READ_CHUNK);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct executor *executor = stream->data;
    (void)room;
    if (size < 0) {
        // Its exit follows at once; a child that only closed the wire is ended.
        uv_read_stop(stream);
        if (!*executor->fault)
            uv_timer_start(&executor->limit, on_exit_limit, EXIT_LIMIT_MS, 0);
        return;
    }
    buffer_commit(&executor->in, (size_t)size);
    frames_read(executor);
    executor_harvest(executor);
}

/* Both ends of the wire, the board, and the two pipes: ours are close-on-exec, the child's go by uv_spawn(). */
struct descriptors {
    int wire[2], board, out[2], err[2];
    void *page;
};

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static void close_all(struct descriptors *fds)
{
    close_pair(fds->wire);
    close_pair(fds->out);
    close_pair(fds->err);
    if (fds->board >= 0)
        close(fds->board);
}

static int open_descriptors(struct descriptors *fds, struct error *error)
{
    *fds = (struct descriptors){{-1, -1}, -1, {-1, -1}, {-1, -1}, MAP_FAILED};
    fds->board = memfd_create("lunastalk-board", MFD_CLOEXEC);
    if (fds->board < 0 || ftruncate(fds->board, BOARD_SIZE) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds->wire) != 0 || pipe2(fds->out, O_CLOEXEC) != 0 ||
        pipe2(fds->err, O_CLOEXEC) != 0 ||
        (fds->page = mmap(NULL, BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds->board, 0)) == MAP_FAILED) {
        error_set(error, "no descriptors for an executor: %s", strerror(errno));
        close_all(fds);
        return -1;
    }
    fcntl(fds->wire[0], F_SETFL, O_NONBLOCK);
    fcntl(fds->out[0], F_SETFL, O_NONBLOCK);
    fcntl(fds->err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int spawn(struct executor *executor, const struct descriptors *fds)
{
    char parent[24];
    char *arguments[] = {(char *)executor->options.binary, parent, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = fds->out[1]},
        {.flags = UV_INHERIT_FD, .data.fd = fds->err[1]},
        {.flags = UV_INHERIT_FD, .data.fd = fds->wire[1]},
        {.flags = UV_INHERIT_FD, .data.fd = fds->board},
    };
    const uv_process_options_t options = {
        .file = executor->options.binary,
        .args = arguments,
        .cwd = executor->options.directory,
        .stdio = stdio,
        .stdio_count = sizeof stdio / sizeof *stdio,
        .exit_cb = on_process_exit,
    };
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    executor->process.data = executor;
    return uv_spawn(executor->loop, &executor->process, &options);
}

static void open_output(struct executor *executor, struct output *output, const char *name, enum level level, int fd)
{
    output->name = name;
    output->level = level;
    output->reading = frames_reading;
    output->printed = frames_printed;
    output->owner = executor;
    output_open(output, executor->loop, fd);
}

void executor_put_config(struct buffer *out, const struct executor_options *options, const char *directory)
{
    struct wire_writer writer = wire_begin(out, WIRE_CONFIG);
    wire_put_u32(&writer, WIRE_VERSION);
    wire_put_u8(&writer, (uint8_t)options->lowest_level);
    wire_put_u64(&writer, options->memory);
    wire_put_text(&writer, options->jobs_path);
    wire_put_text(&writer, options->settings);
    wire_put_text(&writer, directory);
    wire_end(&writer);
}

struct executor *executor_start(uv_loop_t *loop, const struct executor_options *options,
    const struct executor_events *events, uint64_t *sequences, struct error *error)
{
    static uint64_t ids;
    struct descriptors fds;
    if (open_descriptors(&fds, error) < 0)
        return NULL;
    struct executor *executor = mem_new(sizeof *executor);
    executor->loop = loop;
    executor->options = *options;
    executor->events = *events;
    executor->sequences = sequences;
    executor->id = ++ids;
    list_init(&executor->sent);
    executor->board = fds.page;
    make_directory(executor);
    int status = spawn(executor, &fds);
    if (status != 0) {
        error_set(error, "cannot start %s: %s", options->binary, uv_strerror(status));
        remove_directory(executor);
        close_all(&fds);
        close_handle(executor, &executor->process);
        return NULL;
    }
    close(fds.wire[1]);
    close(fds.out[1]);
    close(fds.err[1]);
    close(fds.board);
    uv_pipe_init(loop, &executor->wire, 0);
    uv_pipe_open(&executor->wire, fds.wire[0]);
    executor->wire.data = executor;
    outbox_init(&executor->outbox, (uv_stream_t *)&executor->wire);
    open_output(executor, &executor->out, "stdout", LEVEL_INFO, fds.out[0]);
    open_output(executor, &executor->err, "stderr", LEVEL_WARNING, fds.err[0]);
    uv_timer_init(loop, &executor->limit);
    uv_timer_init(loop, &executor->ring);
    executor->limit.data = executor->ring.data = executor;
    uv_timer_start(&executor->limit, on_load_slow, LOAD_SLOW_MS, 0);
    uv_read_start((uv_stream_t *)&executor->wire, on_room, on_read);
    executor_put_config(&executor->outbox.out, &executor->options, executor->directory);
    outbox_flush(&executor->outbox);
    return executor;
}
