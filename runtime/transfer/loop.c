#include "transfer/loop.h"

#include "base/memory.h"
#include "transfer/library.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket of curl's that libuv watches. */
struct watch {
    uv_poll_t poll;
    struct transfer_loop *loop;
    curl_socket_t socket;
};

/* ---- ends ---- */

const char *transfer_why(const struct transfer *transfer, CURLcode code)
{
    return *transfer->error ? transfer->error : transfer->loop->curl.easy_strerror(code);
}

void transfer_free(struct transfer *transfer)
{
    const struct libcurl *curl = &transfer->loop->curl;
    list_remove(&transfer->place);
    curl->multi_remove_handle(transfer->loop->multi, transfer->easy);
    curl->easy_cleanup(transfer->easy);
    curl->slist_free_all(transfer->headers);
}

static void finish_ended(struct transfer_loop *loop)
{
    const struct libcurl *curl = &loop->curl;
    CURLMsg *message;
    int left;
    while ((message = curl->multi_info_read(loop->multi, &left))) {
        struct transfer *transfer;
        CURLcode code = message->data.result;
        curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->done(transfer, code);
    }
}

/* ---- curl says what to wait for, and is told what came ---- */

static void tell(struct transfer_loop *loop, curl_socket_t socket, int events)
{
    int running;
    loop->curl.multi_socket_action(loop->multi, socket, events, &running);
    finish_ended(loop);
}

static void on_timer(uv_timer_t *timer)
{
    tell(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct transfer_loop *loop = context;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&loop->timer);
    else
        uv_timer_start(&loop->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int seen = status < 0 ? CURL_CSELECT_ERR : 0;
    seen |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    seen |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    tell(watch->loop, watch->socket, seen);
}

static void release(struct transfer_loop *loop)
{
    if (--loop->handles == 0)
        free(loop);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    release(watch->loop);
    free(watch);
}

static struct watch *watch_new(struct transfer_loop *loop, curl_socket_t socket)
{
    struct watch *watch = mem_new(sizeof *watch);
    watch->loop = loop;
    watch->socket = socket;
    watch->poll.data = watch;
    if (uv_poll_init_socket(loop->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    loop->handles++;
    loop->curl.multi_assign(loop->multi, socket, watch);
    return watch;
}

static int on_set_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *assigned)
{
    struct transfer_loop *loop = context;
    struct watch *watch = assigned;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        loop->curl.multi_assign(loop->multi, socket, NULL);
        return 0;
    }
    if (!watch && !(watch = watch_new(loop, socket)))
        return -1;
    uv_poll_start(&watch->poll, events, on_poll);
    return 0;
}

/* ---- one transfer ---- */

static int open_curl(struct transfer_loop *loop, struct error *error)
{
    struct libcurl *curl = &loop->curl;
    if (loop->multi)
        return 0;
    if (library_load(LIBCURL_FILE, libcurl_names, sizeof libcurl_names / sizeof *libcurl_names, (void **)curl, error) <
        0)
        return -1;
    curl->global_init(CURL_GLOBAL_DEFAULT);
    loop->multi = curl->multi_init();
    curl->multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_set_socket);
    curl->multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl->multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl->multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    return 0;
}

/* close-on-exec, as executors are started at any time. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    struct transfer_loop *loop = transfer->loop;
    (void)purpose;
    if (loop->socket_count == TRANSFER_SOCKETS_MOST)
        return CURL_SOCKET_BAD;
    transfer->socket = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (transfer->socket >= 0)
        loop->sockets[loop->socket_count++] = transfer->socket;
    return transfer->socket;
}

/* A connection may outlive its transfer, not the loop. */
static int on_close_socket(void *context, curl_socket_t socket)
{
    struct transfer_loop *loop = context;
    for (unsigned i = 0; i < loop->socket_count; i++)
        if (loop->sockets[i] == socket)
            loop->sockets[i--] = loop->sockets[--loop->socket_count];
    return close(socket);
}

int transfer_open(struct transfer_loop *loop, struct transfer *transfer, const char *protocols, long connect_limit_ms,
    long limit_ms, struct error *error)
{
    if (open_curl(loop, error) < 0)
        return -1;
    const struct libcurl *curl = &loop->curl;
    CURL *easy = curl->easy_init();
    transfer->loop = loop;
    transfer->easy = easy;
    list_insert(&loop->transfers, &transfer->place);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
#else
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS,
        *protocols == 'h' ? (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS) : (long)(CURLPROTO_SMTP | CURLPROTO_SMTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    curl->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // a timeout does not wait, in our loop, for the resolver's thread
#endif
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_limit_ms);
    curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, limit_ms);
    curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl->easy_setopt(easy, CURLOPT_PROXY, "");
    curl->easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl->easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl->easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, loop);
    return 0;
}

void transfer_start(struct transfer *transfer)
{
    transfer->loop->curl.multi_add_handle(transfer->loop->multi, transfer->easy);
}

/* ---- the room ---- */

struct transfer_loop *transfer_loop_new(uv_loop_t *loop)
{
    struct transfer_loop *transfers = mem_new(sizeof *transfers);
    transfers->loop = loop;
    list_init(&transfers->transfers);
    uv_timer_init(loop, &transfers->timer);
    transfers->timer.data = transfers;
    transfers->handles = 1;
    return transfers;
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void transfer_loop_close(struct transfer_loop *loop)
{
    for (unsigned i = 0; i < loop->socket_count; i++)
        shutdown(loop->sockets[i], SHUT_RDWR); // else libcurl may take its leave and wait for an answer, in our loop
    while (!list_empty(&loop->transfers)) {
        struct transfer *transfer = list_entry(loop->transfers.next, struct transfer, place);
        transfer->done(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
    if (loop->multi) {
        loop->curl.multi_cleanup(loop->multi);
        loop->curl.global_cleanup();
    }
    uv_close((uv_handle_t *)&loop->timer, on_timer_closed);
}
