#include "executor/child.h"

#include "base/clock.h"
#include "base/memory.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOAD_LIMIT_MS = 60 * 1000, EXIT_LIMIT_MS = 100, READ_CHUNK = 64 * 1024 };

bool executor_ready(const struct executor *executor)
{
    return executor->state == EXECUTOR_READY && !executor->stopping && !executor->fault;
}

unsigned executor_load(const struct executor *executor)
{
    return executor->load;
}

uint64_t executor_id(const struct executor *executor)
{
    return executor->id;
}

static struct job *job_at(const struct list *link)
{
    return list_entry(link, struct job, place);
}

static enum board_state state_of(const struct executor *executor, const struct job *job)
{
    return board_read(executor->board, job->slot, job->sequence);
}

struct job *executor_find(struct executor *executor, uint64_t sequence)
{
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next) {
        if (job_at(link)->sequence == sequence)
            return state_of(executor, job_at(link)) == BOARD_SENT ? NULL : job_at(link);
    }
    return NULL;
}

struct job *executor_running(struct executor *executor)
{
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next)
        if (state_of(executor, job_at(link)) == BOARD_RUNNING)
            return job_at(link);
    return NULL;
}

bool executor_busy(const struct executor *executor, uint64_t limit_ns)
{
    if (list_empty(&executor->sent))
        return false;
    const struct job *first = job_at(executor->sent.next);
    return state_of(executor, first) == BOARD_RUNNING &&
           clock_ns() > executor->board->slots[first->slot].started_ns + limit_ns;
}

static void take_off(struct executor *executor, struct job *job)
{
    list_remove(&job->place);
    executor->load--;
    executor->used[job->slot] = false;
}

static void give_ended(struct executor *executor, struct job *job)
{
    const struct board_slot *slot = &executor->board->slots[job->slot];
    job->runtime_ns = slot->ended_ns > slot->started_ns ? slot->ended_ns - slot->started_ns : 1;
    take_off(executor, job);
    executor->events.ended(executor->events.context, job);
}

static void give_unstarted(struct executor *executor, struct job *job)
{
    take_off(executor, job);
    if (job->state != JOB_LOST)
        job_move(job, JOB_HELD);
    executor->events.unstarted(executor->events.context, job);
}

/* The bytes that are still in the wire: a child's last words stay readable after its death. */
static void drain_wire(struct executor *executor)
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

/* The sequence of the last job that has ended; 0: none. Those that have begun are RUNNING from here on. */
static uint64_t last_ended(struct executor *executor)
{
    uint64_t last = 0;
    for (struct list *link = executor->sent.next; link != &executor->sent; link = link->next) {
        struct job *job = job_at(link);
        switch (state_of(executor, job)) {
        case BOARD_SENT: return last; // and so is all behind it
        case BOARD_RUNNING:
            if (job->state == JOB_SENT)
                job_move(job, JOB_RUNNING);
            break;
        case BOARD_SUCCEEDED:
        case BOARD_FAILED: last = job->sequence; break;
        case BOARD_FREE:
        case BOARD_RECALLED:
        case BOARD_CORRUPT: executor_kill(executor, "it overwrote the board (fd 4)"); return 0;
        }
    }
    return last;
}

/* Those up to `last` that have ended, into the empty list `ended`: whoever gets one may recall others. */
static void collect_ended(struct executor *executor, uint64_t last, struct list *ended)
{
    for (struct list *link = executor->sent.next, *after; link != &executor->sent; link = after) {
        struct job *job = job_at(link);
        enum board_state state = state_of(executor, job);
        after = link->next;
        if (job->sequence > last)
            return;
        if (state == BOARD_SUCCEEDED || (state == BOARD_FAILED && job->outcome)) {
            list_remove(link);
            list_insert(ended, link);
        } else if (state == BOARD_FAILED) {
            executor_kill(executor, "it did not tell how a job failed: something else wrote to the wire (fd 3)");
            return;
        }
    }
}

void executor_harvest(struct executor *executor)
{
    // Until nothing more has ended: the bell of a job that ends meanwhile is read with what was said before it.
    for (uint64_t last; !executor->fault && (last = last_ended(executor));) {
        struct list ended;
        list_init(&ended);
        drain_wire(executor); // all that they said was sent before the board told their end
        if (!executor->fault)
            collect_ended(executor, last, &ended);
        while (!list_empty(&ended))
            give_ended(executor, job_at(ended.next));
    }
}

static void recall_from(struct executor *executor, struct list *first)
{
    // From the end, so that each goes before the one behind it where the receiver puts them.
    for (struct list *end = first->prev, *link = executor->sent.prev, *before; link != end; link = before) {
        before = link->prev;
        if (board_recall(executor->board, job_at(link)->slot, job_at(link)->sequence))
            give_unstarted(executor, job_at(link));
    }
}

void executor_recall(struct executor *executor)
{
    recall_from(executor, executor->sent.next);
}

void executor_recall_behind(struct executor *executor, uint64_t now_ns, uint64_t limit_ns)
{
    struct job *running = executor->load > 1 ? executor_running(executor) : NULL;
    if (running && now_ns > executor->board->slots[running->slot].started_ns + limit_ns)
        recall_from(executor, running->place.next);
}

static unsigned free_slot(struct executor *executor)
{
    assert(executor->load < BOARD_SLOTS);
    while (executor->used[executor->next_slot])
        executor->next_slot = (executor->next_slot + 1) % BOARD_SLOTS;
    return executor->next_slot;
}

void executor_send(struct executor *executor, struct job *job)
{
    char id[24];
    job_move(job, JOB_SENT);
    job->slot = free_slot(executor);
    job->sequence = ++*executor->sequences;
    executor->used[job->slot] = true;
    executor->next_slot = (job->slot + 1) % BOARD_SLOTS;
    executor->load++;
    list_insert(&executor->sent, &job->place);
    board_post(executor->board, job->slot, job->sequence);

    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_JOB);
    wire_put_u64(&writer, job->sequence);
    wire_put_u32(&writer, job->slot);
    wire_put_text(&writer, job->server);
    wire_put_bytes(&writer, id, (size_t)snprintf(id, sizeof id, "%llu", (unsigned long long)job->id));
    wire_put_text(&writer, job->envelope.name);
    wire_put_text(&writer, job->tube ? job->tube : "");
    wire_put_bytes(&writer, job->body, job->size);
    wire_end(&writer);
}

void executor_flush(struct executor *executor)
{
    outbox_flush(&executor->outbox);
}

void executor_kill(struct executor *executor, const char *why)
{
    if (executor->state == EXECUTOR_GONE || executor->fault)
        return;
    executor->fault = why;
    // The group, with all that handlers have started; the process alone when it has not made its group yet.
    if (kill(-executor->process.pid, SIGKILL) != 0)
        uv_process_kill(&executor->process, SIGKILL);
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
    buffer_free(&executor->out.line);
    buffer_free(&executor->err.line);
    for (size_t i = 0; executor->names && i < executor->name_count; i++)
        free(executor->names[i]);
    free(executor->names);
    free(executor);
}

static void close_handle(struct executor *executor, void *handle)
{
    ((uv_handle_t *)handle)->data = executor;
    executor->handles++;
    uv_close(handle, on_handle_closed);
}

static void describe_exit(struct executor *executor, int64_t status, int signal, char *why, size_t room)
{
    if (executor->fault)
        snprintf(why, room, "%s", executor->fault);
    else if (signal)
        snprintf(why, room, "killed by signal %d (%s)", signal, strsignal(signal));
    else
        snprintf(why, room, "the executor exited with code %d", (int)status);
}

/* Every job it still has: what ended is settled so, what ran has failed, the rest was never begun. */
static void give_all_back(struct executor *executor, const char *why)
{
    executor_recall(executor);
    while (!list_empty(&executor->sent)) {
        struct job *job = job_at(executor->sent.next);
        if (state_of(executor, job) != BOARD_SUCCEEDED)
            job_set_outcome(job, POLICY_FAILED, 0, why, strlen(why), "", 0);
        if (state_of(executor, job) == BOARD_RUNNING || state_of(executor, job) == BOARD_CORRUPT)
            executor->board->slots[job->slot].ended_ns = clock_ns();
        give_ended(executor, job);
    }
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct executor *executor = process->data;
    char why[160];
    uv_read_stop((uv_stream_t *)&executor->wire);
    drain_wire(executor);
    output_drain(&executor->out);
    output_drain(&executor->err);
    kill(-process->pid, SIGKILL); // what its handlers have left running
    describe_exit(executor, status, signal, why, sizeof why);
    executor->state = EXECUTOR_GONE;
    give_all_back(executor, why);
    executor->events.gone(executor->events.context, executor, why);
    close_handle(executor, &executor->process);
    close_handle(executor, &executor->wire);
    close_handle(executor, &executor->limit);
    close_handle(executor, &executor->out.pipe);
    close_handle(executor, &executor->err.pipe);
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
    output->printed = frames_printed;
    output->owner = executor;
    output_open(output, executor->loop, fd);
}

static void configure(struct executor *executor)
{
    struct wire_writer writer = wire_begin(&executor->outbox.out, WIRE_CONFIG);
    wire_put_u32(&writer, WIRE_VERSION);
    wire_put_u8(&writer, (uint8_t)executor->options.lowest_level);
    wire_put_text(&writer, executor->options.jobs_path);
    wire_put_text(&writer, executor->options.settings);
    wire_end(&writer);
    outbox_flush(&executor->outbox);
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
    int status = spawn(executor, &fds);
    if (status != 0) {
        error_set(error, "cannot start %s: %s", options->binary, uv_strerror(status));
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
    executor->limit.data = executor;
    uv_timer_start(&executor->limit, on_load_limit, LOAD_LIMIT_MS, 0);
    uv_read_start((uv_stream_t *)&executor->wire, on_room, on_read);
    configure(executor);
    return executor;
}
