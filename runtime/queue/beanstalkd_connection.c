#include "queue/beanstalkd_connection.h"

#include "base/address.h"
#include "base/memory.h"
#include "base/outbox.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
    CONNECT_LIMIT_MS = 5000,
    READ_CHUNK = 64 * 1024,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_EVERY_S = 10,
    KEEPALIVE_TRIES = 3
};

struct request {
    connection_reply *callback;
    void *argument;
    uint64_t deadline_ms;
};

struct connection {
    uv_loop_t *loop;
    struct connection_events events;
    char *server;
    enum { RESOLVING, CONNECTING, OPEN, CLOSED } state;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_timer_t timer;
    unsigned handles; // libuv handles and requests that still point here
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct addrinfo *addresses, *address; // all, and the one that is tried
    char why[160];                        // of the last address that failed
    struct buffer in;
    struct outbox outbox;
    struct request *requests; // a ring
    size_t first, pending, capacity;
};

bool connection_address_valid(const char *server)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    const char *path = address_path(server);
    return path ? *path && strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path : address_split(server, host, port);
}

static void release(struct connection *connection)
{
    if (--connection->handles)
        return;
    buffer_free(&connection->in);
    outbox_free(&connection->outbox);
    uv_freeaddrinfo(connection->addresses);
    free(connection->requests);
    free(connection->server);
    free(connection);
}

static void on_handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static struct request *request_at(struct connection *connection, size_t index)
{
    return &connection->requests[(connection->first + index) & (connection->capacity - 1)];
}

static void complete_first(struct connection *connection, const struct beanstalkd_reply *reply)
{
    struct request request = *request_at(connection, 0);
    connection->first++;
    connection->pending--;
    request.callback(connection->events.context, request.argument, reply);
}

void connection_close(struct connection *connection, const char *why)
{
    if (connection->state == CLOSED)
        return;
    bool resolving = connection->state == RESOLVING;
    connection->state = CLOSED;
    while (connection->pending)
        complete_first(connection, NULL);
    connection->events.closed(connection->events.context, why);
    if (resolving)
        uv_cancel((uv_req_t *)&connection->resolve);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
    if (!uv_is_closing((uv_handle_t *)&connection->socket.stream))
        uv_close((uv_handle_t *)&connection->socket.stream, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    struct connection *connection = timer->data;
    if (connection->state != OPEN) {
        connection_close(connection, "no connection within 5 s");
        return;
    }
    if (!connection->pending)
        return;
    uint64_t now = uv_now(connection->loop), deadline = request_at(connection, 0)->deadline_ms;
    if (deadline <= now)
        connection_close(connection, "no reply in time");
    else
        uv_timer_start(timer, on_deadline, deadline - now, 0);
}

/* Replies complete requests until the bytes are used up or a callback has closed the connection. */
static void read_replies(struct connection *connection)
{
    struct beanstalkd_reply reply;
    int found = 0;
    while (connection->state == OPEN && buffer_size(&connection->in) &&
           (found = beanstalkd_next(&reply, buffer_data(&connection->in), buffer_size(&connection->in))) > 0) {
        if (!connection->pending) {
            connection_close(connection, "a reply that nobody asked for");
            return;
        }
        complete_first(connection, &reply);
        if (beanstalkd_reply_fatal(reply.kind))
            connection_close(connection, beanstalkd_reply_name(reply.kind));
        buffer_consume(&connection->in, reply.whole);
    }
    if (found < 0)
        connection_close(connection, "an answer that is not beanstalkd's");
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct connection *connection = handle->data;
    (void)suggested;
    *room = uv_buf_init(buffer_reserve(&connection->in, READ_CHUNK), READ_CHUNK);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct connection *connection = stream->data;
    (void)room;
    if (size < 0) {
        connection_close(connection, size == UV_EOF ? "closed by the server" : uv_strerror((int)size));
    } else {
        buffer_commit(&connection->in, (size_t)size);
        read_replies(connection);
    }
}

static void on_open(struct connection *connection)
{
    connection->state = OPEN;
    uv_timer_start(&connection->timer, on_deadline, 0, 0); // arms itself for what was asked while connecting
    uv_read_start(&connection->socket.stream, on_room, on_read);
    connection->events.open(connection->events.context);
}

static void connect_next(struct connection *connection);

static void on_failed_socket_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    if (connection->state == CLOSED)
        release(connection);
    else
        connect_next(connection);
}

/* This one cannot be reached: the next is tried. */
static void fail_address(struct connection *connection, int status)
{
    snprintf(connection->why, sizeof connection->why, "%s", uv_strerror(status));
    connection->address = connection->address->ai_next;
    uv_close((uv_handle_t *)&connection->socket.stream, on_failed_socket_closed);
}

static void keep_alive(uv_tcp_t *tcp)
{
    int fd, every = KEEPALIVE_EVERY_S, tries = KEEPALIVE_TRIES;
    uv_tcp_nodelay(tcp, 1);
    uv_tcp_keepalive(tcp, 1, KEEPALIVE_IDLE_S);
    if (uv_fileno((uv_handle_t *)tcp, &fd) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct connection *connection = connect->data;
    if (connection->state == CLOSED)
        return;
    if (status == 0) {
        if (!address_path(connection->server))
            keep_alive(&connection->socket.tcp);
        on_open(connection);
    } else if (address_path(connection->server)) {
        connection_close(connection, uv_strerror(status));
    } else {
        fail_address(connection, status);
    }
}

/* Tries connection->address and, as each fails, those behind it ("localhost" is ::1 and 127.0.0.1). */
static void connect_next(struct connection *connection)
{
    uv_tcp_init(connection->loop, &connection->socket.tcp);
    connection->socket.tcp.data = connection;
    if (!connection->address) {
        connection_close(connection, connection->why);
        return;
    }
    int status =
        uv_tcp_connect(&connection->connect, &connection->socket.tcp, connection->address->ai_addr, on_connected);
    if (status != 0)
        fail_address(connection, status);
}

static void use_addresses(struct connection *connection, struct addrinfo *addresses)
{
    connection->state = CONNECTING;
    connection->addresses = connection->address = addresses;
    uv_close((uv_handle_t *)&connection->socket.stream, on_failed_socket_closed);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *addresses)
{
    struct connection *connection = resolve->data;
    if (status < 0) // of 0 uv_strerror() makes a text that nobody frees
        snprintf(connection->why, sizeof connection->why, "%s", uv_strerror(status));
    if (connection->state == CLOSED)
        uv_freeaddrinfo(addresses);
    else
        use_addresses(connection, addresses);
    release(connection);
}

/* A numeric address needs no resolver, whose threads would be the only ones of the process. */
static int resolve(struct connection *connection)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *addresses;
    if (!address_split(connection->server, host, port))
        return UV_EINVAL;
    if (getaddrinfo(host, port, &hints, &addresses) == 0) {
        use_addresses(connection, addresses);
        return 0;
    }
    hints.ai_flags = 0;
    int status = uv_getaddrinfo(connection->loop, &connection->resolve, on_resolved, host, port, &hints);
    connection->handles += status == 0;
    return status;
}

static void on_start(uv_timer_t *timer)
{
    struct connection *connection = timer->data;
    const char *path = address_path(connection->server);
    uv_timer_start(timer, on_deadline, CONNECT_LIMIT_MS, 0);
    if (path) {
        connection->state = CONNECTING;
        uv_pipe_connect(&connection->connect, &connection->socket.pipe, path, on_connected);
        return;
    }
    int status = resolve(connection);
    if (status != 0) {
        connection->state = CONNECTING;
        connection_close(connection, uv_strerror(status));
    }
}

struct connection *connection_new(uv_loop_t *loop, const char *server, const struct connection_events *events)
{
    struct connection *connection = mem_new(sizeof *connection);
    connection->loop = loop;
    connection->events = *events;
    connection->server = mem_copy(server, strlen(server));
    connection->capacity = 16;
    connection->requests = mem_new(connection->capacity * sizeof *connection->requests);
    if (address_path(server))
        uv_pipe_init(loop, &connection->socket.pipe, 0);
    else
        uv_tcp_init(loop, &connection->socket.tcp);
    uv_timer_init(loop, &connection->timer);
    connection->socket.stream.data = connection->timer.data = connection;
    connection->connect.data = connection->resolve.data = connection;
    outbox_init(&connection->outbox, &connection->socket.stream);
    connection->handles = 2;
    // Connecting begins in the next turn, so that no callback runs inside this call.
    uv_timer_start(&connection->timer, on_start, 0, 0);
    return connection;
}

struct buffer *connection_out(struct connection *connection)
{
    return &connection->outbox.out;
}

bool connection_stands(const struct connection *connection)
{
    return connection->state != CLOSED;
}

size_t connection_pending(const struct connection *connection)
{
    return connection->pending;
}

static void grow(struct connection *connection)
{
    struct request *larger = mem_new(2 * connection->capacity * sizeof *larger);
    for (size_t i = 0; i < connection->pending; i++)
        larger[i] = *request_at(connection, i);
    free(connection->requests);
    connection->requests = larger;
    connection->first = 0;
    connection->capacity *= 2;
}

void connection_expect(struct connection *connection, unsigned limit_ms, connection_reply *callback, void *argument)
{
    if (connection->pending == connection->capacity)
        grow(connection);
    if (!connection->pending && connection->state == OPEN)
        uv_timer_start(&connection->timer, on_deadline, limit_ms, 0);
    *request_at(connection, connection->pending++) =
        (struct request){callback, argument, uv_now(connection->loop) + limit_ms};
}

void connection_flush(struct connection *connection)
{
    if (connection->state == OPEN)
        outbox_flush(&connection->outbox);
}
