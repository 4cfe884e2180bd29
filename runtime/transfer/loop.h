#ifndef LUNASTALK_TRANSFER_LOOP_H
#define LUNASTALK_TRANSFER_LOOP_H
/*
 * libcurl on libuv's loop: what is put to it is carried out beside all else. libcurl is loaded with the first transfer.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "transfer/libcurl.h"

#include <uv.h>

enum { TRANSFER_SOCKETS_MOST = 64 };

struct transfer_loop {
    struct libcurl curl; // good after transfer_open()
    uv_loop_t *loop;
    CURLM *multi; // NULL before the first transfer
    uv_timer_t timer;
    unsigned handles; // libuv's that still point here
    struct list transfers;
    curl_socket_t sockets[TRANSFER_SOCKETS_MOST]; // that are open, but for those of http.c
    unsigned socket_count;
};

/* Stands first in what is being transferred. */
struct transfer {
    struct transfer_loop *loop;
    struct list place;
    CURL *easy;
    struct curl_slist *headers; // or recipients; freed with it
    void (*done)(struct transfer *transfer, CURLcode code);
    curl_socket_t socket;        // opened last: that of its connection, if it has one
    char error[CURL_ERROR_SIZE]; // libcurl's own words, or ""
};

struct transfer_loop *transfer_loop_new(uv_loop_t *loop);
/*
 * Prepares a transfer: 0, and `easy` is made with what holds for all of them (limits in ms, no environment, no signals,
 * close-on-exec sockets); or -1, where there is no libcurl.
 */
int transfer_open(struct transfer_loop *loop, struct transfer *transfer, const char *protocols, long connect_limit_ms,
    long limit_ms, struct error *error);
/* done() follows once, from the loop or from transfer_loop_close(); then transfer_free() is due. */
void transfer_start(struct transfer *transfer);
/* What it holds, not the struct. Ends one that is under way, without done(). */
void transfer_free(struct transfer *transfer);
/* Why it failed. */
const char *transfer_why(const struct transfer *transfer, CURLcode code);
/* Ends what is under way, with CURLE_ABORTED_BY_CALLBACK. Frees when the loop has run out. */
void transfer_loop_close(struct transfer_loop *loop);

#endif
