#include "transfer/http.h"

#include "base/memory.h"
#include "transfer/guard.h"
#include "transfer/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_LIMIT_MS = 5000, LIMIT_MS = 30 * 1000, ANSWER_LARGEST = 64 * 1024 };

struct http {
    struct transfer_loop *loop;
    const char *const *allow;
    size_t allow_count;
    bool closing;
};

struct request {
    struct transfer transfer;
    struct http *http;
    http_done *done;
    void *context;
    size_t received;   // bytes of the answer
    bool connecting;   // to an address that is allowed
    char host[256];    // as in the URL
    char refused[512]; // why the address was; "" when none was
};

/* ---- ends ---- */

static struct http_result read_result(struct request *request, CURLcode code)
{
    const struct libcurl *curl = &request->http->loop->curl;
    struct http_result result = {.end = HTTP_FAILED, .why = transfer_why(&request->transfer, code)};
    long status = 0;
    if (request->http->closing)
        return (struct http_result){.end = HTTP_FAILED, .why = "the worker stops"};
    if (code == CURLE_OK) {
        curl->easy_getinfo(request->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
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

static void on_done(struct transfer *transfer, CURLcode code)
{
    struct request *request = (struct request *)transfer;
    struct http_result result = read_result(request, code);
    request->done(request->context, &result);
    transfer_free(transfer);
    free(request);
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
    const struct libcurl *curl = &request->http->loop->curl;
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

static void set_callbacks(struct request *request)
{
    const struct libcurl *curl = &request->http->loop->curl;
    CURL *easy = request->transfer.easy;
    curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_answer);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, request);
}

static void set_post(struct request *request, const struct http_request *wanted)
{
    const struct libcurl *curl = &request->http->loop->curl;
    CURL *easy = request->transfer.easy;
    for (const char *const *header = wanted->headers; *header; header++)
        request->transfer.headers = curl->slist_append(request->transfer.headers, *header);
    request->transfer.headers =
        curl->slist_append(request->transfer.headers, "Expect:"); // else it waits for a 100 Continue
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, request->transfer.headers);
    curl->easy_setopt(easy, CURLOPT_URL, wanted->url);
    curl->easy_setopt(easy, CURLOPT_POST, 1L);
    curl->easy_setopt(easy, CURLOPT_POSTFIELDS, wanted->body);
    curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)wanted->size);
}

void http_post(struct http *http, const struct http_request *wanted, http_done *done, void *context)
{
    struct error error;
    struct request *request = mem_new(sizeof *request);
    request->http = http;
    request->done = done;
    request->context = context;
    request->transfer.done = on_done;
    if (transfer_open(http->loop, &request->transfer, "http,https", CONNECT_LIMIT_MS, LIMIT_MS, &error) < 0) {
        free(request);
        done(context, &(struct http_result){.end = HTTP_FAILED, .why = error.text});
        return;
    }
    read_host(request, wanted->url);
    set_callbacks(request);
    set_post(request, wanted);
    transfer_start(&request->transfer);
}

/* ---- the room ---- */

struct http *http_new(uv_loop_t *loop, const char *const *allow, size_t allow_count)
{
    struct http *http = mem_new(sizeof *http);
    http->loop = transfer_loop_new(loop);
    http->allow = allow;
    http->allow_count = allow_count;
    return http;
}

void http_close(struct http *http)
{
    http->closing = true;
    transfer_loop_close(http->loop);
    free(http);
}
