#ifndef LUNASTALK_TRANSFER_HTTP_H
#define LUNASTALK_TRANSFER_HTTP_H
/*
 * POST requests by libcurl on the worker's loop. Bounded in every way: 5 s to connect, 30 s in all, 64 KB of answer
 * (which is read and dropped), http and https only, no redirects, nothing taken from the environment, no address that
 * guard.h refuses. Each request completes exactly once: from the loop, from http_close(), or from within http_post()
 * when there is no libcurl, which is loaded with the first request.
 */
#include <stddef.h>
#include <uv.h>

struct http;

/* `allow` lists hosts, addresses and ranges beside the public ones (guard.h); it lives as long as the struct. */
struct http *http_new(uv_loop_t *loop, const char *const *allow, size_t allow_count);
/* Completes what is under way as FAILED, and frees. */
void http_close(struct http *http);

enum http_end {
    HTTP_ANSWERED,   // with `status`
    HTTP_FAILED,     // no answer, or more than 64 KB of it: the next try may do better
    HTTP_REFUSED,    // the address is neither public nor allowed
    HTTP_IMPOSSIBLE, // no request can be made of this URL
};

struct http_result {
    enum http_end end;
    unsigned status;
    const char *why; // not ANSWERED: for people; REFUSED: with the line of configuration that would allow it
};

typedef void http_done(void *context, const struct http_result *result);

struct http_request {
    const char *url;            // like the headers without control characters
    const char *const *headers; // "name: value", the last is NULL
    const char *body;           // not copied: lives until done()
    size_t size;
};

void http_post(struct http *http, const struct http_request *request, http_done *done, void *context);

#endif
