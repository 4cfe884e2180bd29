#include "http/http.h"

#include "base/list.h"
#include "base/memory.h"
#include "http/guard.h"
#include "http/libcurl.h"
#include "http/library.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_LIMIT_MS = 5000, LIMIT_MS = 30 * 1000, ANSWER_LARGEST = 64 * 1024 };

struct http {
    uv_loop_t *loop;
    const char *const *allow;
    size_t allow_count;
    struct libcurl curl;
    CURLM *multi; // NULL before the first request
    uv_timer_t timer;
    unsigned handles; // libuv's that still point here
    struct list requests;
};

/* A socket of curl's that libuv watches. */
struct watch {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t socket;
};

struct request {
    struct http *http;
    struct list place;
    CURL *easy;
    struct curl_slist *headers;
    http_done *done;
    void *context;
    size_t received;   // bytes of the answer
    bool connecting;   // to an address that is allowed
    char host[256];    // as in the URL
    char refused[512]; // why the address was; "" when none was
    char error[CURL_ERROR_SIZE];
};

/* ---- ends ---- */

static void free_request(struct request *request)
{
    const struct libcurl *curl = &request->http->curl;
    list_remove(&request->place);
    curl->multi_remove_handle(request->http->multi, request->easy);
    curl->easy_cleanup(request->easy);
    curl->slist_free_all(request->headers);
    free(request);
}

static struct http_result read_result(struct request *request, CURLcode code)
{
    const struct libcurl *curl = &request->http->curl;
    struct http_result result = {
        .end = HTTP_FAILED, .why = *request->error ? request->error : curl->easy_strerror(code)};
    long status = 0;
    if (code == CURLE_OK) {
        curl->easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        return (struct http_result){.end = HTTP_ANSWERED, .status = (unsigned)status};
    }
    if (*request->refused && !request->connecting)
        return (struct http_result){.end = HTTP_REFUSED, .why = request->refused};
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        result.end = HTTP_IMPOSSIBLE;
    else if (code == CURLE_WRITE_ERROR)
        result.why = "the answer is larger than 64 KB";
    return result;
}

static void finish(struct request *request, CURLcode code)
{
    struct http_result result = read_result(request, code);
    request->done(request->context, &result);
    free_request(request);
}

static void finish_ended(struct http *http)
{
    const struct libcurl *curl = &http->curl;
    CURLMsg *message;
    int left;
    while ((message = curl->multi_info_read(http->multi, &left))) {
        struct request *request;
        CURLcode code = message->data.result;
        curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        finish(request, code);
    }
}

/* ---- curl on the loop: it says what to wait for, and is told what came ---- */

static void tell(struct http *http, curl_socket_t socket, int events)
{
    int running;
    http->curl.multi_socket_action(http->multi, socket, events, &running);
    finish_ended(http);
}

static void on_timer(uv_timer_t *timer)
{
    tell(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct http *http = context;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int seen = status < 0 ? CURL_CSELECT_ERR : 0;
    seen |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    seen |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    tell(watch->http, watch->socket, seen);
}

static void release(struct http *http)
{
    if (--http->handles == 0)
        free(http);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    release(watch->http);
    free(watch);
}

static struct watch *watch_new(struct http *http, curl_socket_t socket)
{
    struct watch *watch = mem_new(sizeof *watch);
    watch->http = http;
    watch->socket = socket;
    watch->poll.data = watch;
    if (uv_poll_init_socket(http->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    http->handles++;
    http->curl.multi_assign(http->multi, socket, watch);
    return watch;
}

static int on_set_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *assigned)
{
    struct http *http = context;
    struct watch *watch = assigned;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
        http->curl.multi_assign(http->multi, socket, NULL);
        return 0;
    }
    if (!watch && !(watch = watch_new(http, socket)))
        return -1;
    uv_poll_start(&watch->poll, events, on_poll);
    return 0;
}

/* ---- one request ---- */

static void refuse(struct request *request, const struct sockaddr *address, const char *why)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    else if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    snprintf(request->refused, sizeof request->refused,
        "%s is not a public address (%s); if it shall be called, configure callbacks: { allow: [\"%s\"] }", text, why,
        *request->host ? request->host : text);
}

/* Here the address is certain. close-on-exec, as executors are started at any time. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct request *request = context;
    const struct http *http = request->http;
    const char *why = guard_refuses(&address->addr);
    (void)purpose;
    if (why && !guard_allows(http->allow, http->allow_count, request->host, &address->addr)) {
        refuse(request, &address->addr, why);
        return CURL_SOCKET_BAD;
    }
    request->connecting = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Headers and body alike: counted and dropped. Short is how curl is told to give up. */
static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct request *request = context;
    (void)bytes;
    request->received += size * count;
    return request->received <= ANSWER_LARGEST ? size * count : 0;
}

/* The host by curl's own reading of the URL, without the brackets of an IPv6 address. */
static void read_host(struct request *request, const char *url)
{
    const struct libcurl *curl = &request->http->curl;
    CURLU *parsed = curl->url();
    char *host = NULL;
    if (curl->url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl->url_get(parsed, CURLUPART_HOST, &host, 0);
    size_t size = host ? strlen(host) : 0;
    bool bracketed = size > 2 && host[0] == '[';
    if (size && size < sizeof request->host)
        memcpy(request->host, host + bracketed, size - 2 * bracketed);
    curl->free(host);
    curl->url_cleanup(parsed);
}

static void set_limits(struct request *request)
{
    const struct libcurl *curl = &request->http->curl;
    CURL *easy = request->easy;
#if LIBCURL_VERSION_NUM >= 0x075500
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    curl->easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // a timeout does not wait, in our loop, for the resolver's thread
#endif
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
    curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)LIMIT_MS);
    curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl->easy_setopt(easy, CURLOPT_PROXY, "");
    curl->easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl->easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

static void set_callbacks(struct request *request)
{
    const struct libcurl *curl = &request->http->curl;
    CURL *easy = request->easy;
    curl->easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_answer);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, request);
}

static void set_post(struct request *request, const struct http_request *wanted)
{
    const struct libcurl *curl = &request->http->curl;
    CURL *easy = request->easy;
    for (const char *const *header = wanted->headers; *header; header++)
        request->headers = curl->slist_append(request->headers, *header);
    request->headers = curl->slist_append(request->headers, "Expect:"); // else it waits for a 100 Continue
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl->easy_setopt(easy, CURLOPT_URL, wanted->url);
    curl->easy_setopt(easy, CURLOPT_POST, 1L);
    curl->easy_setopt(easy, CURLOPT_POSTFIELDS, wanted->body);
    curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)wanted->size);
}

static int open_curl(struct http *http, struct error *error)
{
    struct libcurl *curl = &http->curl;
    if (http->multi)
        return 0;
    if (library_load(LIBCURL_FILE, libcurl_names, sizeof libcurl_names / sizeof *libcurl_names, (void **)curl, error) <
        0)
        return -1;
    curl->global_init(CURL_GLOBAL_DEFAULT);
    http->multi = curl->multi_init();
    curl->multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_set_socket);
    curl->multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl->multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl->multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return 0;
}

void http_post(struct http *http, const struct http_request *wanted, http_done *done, void *context)
{
    struct error error;
    if (open_curl(http, &error) < 0) {
        done(context, &(struct http_result){.end = HTTP_FAILED, .why = error.text});
        return;
    }
    struct request *request = mem_new(sizeof *request);
    request->http = http;
    request->easy = http->curl.easy_init();
    request->done = done;
    request->context = context;
    list_insert(&http->requests, &request->place);
    read_host(request, wanted->url);
    set_limits(request);
    set_callbacks(request);
    set_post(request, wanted);
    http->curl.multi_add_handle(http->multi, request->easy);
}

/* ---- the room ---- */

struct http *http_new(uv_loop_t *loop, const char *const *allow, size_t allow_count)
{
    struct http *http = mem_new(sizeof *http);
    http->loop = loop;
    http->allow = allow;
    http->allow_count = allow_count;
    list_init(&http->requests);
    uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    http->handles = 1;
    return http;
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void http_close(struct http *http)
{
    const struct http_result stopped = {.end = HTTP_FAILED, .why = "the worker stops"};
    for (struct list *link = http->requests.next, *after; link != &http->requests; link = after) {
        struct request *request = list_entry(link, struct request, place);
        after = link->next;
        request->done(request->context, &stopped);
        free_request(request);
    }
    if (http->multi) {
        http->curl.multi_cleanup(http->multi);
        http->curl.global_cleanup();
    }
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}
