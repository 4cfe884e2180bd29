#ifndef LUNASTALK_QUEUE_BEANSTALKD_DRIVER_H
#define LUNASTALK_QUEUE_BEANSTALKD_DRIVER_H
/*
 * Inside of the beanstalkd driver: the queue (beanstalkd.c) and its consumers (beanstalkd_consumer.c). Nobody else
 * includes this.
 *
 * A consumer is one connection that reserves. beanstalkd reads no command of a connection that waits in `reserve`, and
 * a job can only be settled where it was reserved, so a consumer either waits or holds:
 *
 *   CONNECTING ──set up──▶ EMPTY ──wait──▶ WAITING ──RESERVED──▶ HOLDING
 *                            ▲  ◀─TIMED_OUT──┘                      │
 *                            └──────────no job, nothing asked───────┘
 *   any ──▶ LEAVING: we close it      any ──▶ (gone): the peer, the network or a lying reply did
 *
 * A holder asks for more with `reserve-with-timeout 0`, only in the turn in which it settles something.
 */
#include "base/backoff.h"
#include "queue/beanstalkd_connection.h"
#include "queue/queue.h"
#include "queue/window.h"

enum consumer_state {
    CONSUMER_CONNECTING,
    CONSUMER_EMPTY,
    CONSUMER_WAITING,
    CONSUMER_HOLDING,
    CONSUMER_LEAVING,
};

struct consumer {
    struct queue *queue;
    struct connection *connection;
    enum consumer_state state;
    struct list in_queue;
    struct list jobs;   // in the order of their reservation
    unsigned job_count; // of `jobs`
    unsigned returning; // of them, handed to queue_return() and not yet dealt with
    unsigned asked;     // reserves without an answer
    bool settled;       // a verb was appended in this turn
    uint64_t empty_since_ms;
    char used[BEANSTALKD_TUBE_LONGEST + 1]; // the tube of `use`
};

struct queue {
    uv_loop_t *loop;
    struct queue_options options;
    struct queue_events events;
    struct list consumers;
    unsigned consumer_count;
    unsigned limit;
    unsigned jobs;  // on all consumers
    unsigned ahead; // jobs that no verb was sent for, and reserves without an answer
    size_t bytes;   // of the bodies of `jobs`
    bool wanted;    // queue_wait() was called in this turn
    struct window window;
    struct backoff backoff;
    uv_timer_t retry, idle;
    uv_timer_t keep;         // runs while there are jobs
    uint64_t doubt_until_ms; // until then a job that is read may have been reserved long ago
    uv_timer_t probe;        // while it cannot store
    bool storing;            // beanstalkd_storage.c: what is buried or delayed is kept
    uint64_t written;        // records of its binlog before the probe; UINT64_MAX: it has none
    unsigned handles;
    uint64_t down_since_ms;
    enum { QUEUE_UP, QUEUE_DOWN, QUEUE_DOWN_LONG, QUEUE_CLOSED } state;
    char instance[64];  // beanstalkd's random id of its process; "" before the first connection
    uint64_t body_most; // bytes: its max-job-size
    bool told_volatile; // that it keeps no binlog
};

enum { REPLY_LIMIT_MS = 5000 };

struct consumer *consumer_new(struct queue *queue);
/* Waits for a job; the consumer is EMPTY. */
void consumer_wait(struct consumer *consumer);
/* Asks for `count` more jobs that are ready now. */
void consumer_ask(struct consumer *consumer, unsigned count);
/* Closes it on purpose; its jobs are ready again at once. RETURNING ones are settled(), others lost(). */
void consumer_leave(struct consumer *consumer);
/* The job is settled or returned: takes it off the consumer, which may become EMPTY. */
void consumer_drop(struct job *job);

/* beanstalkd_ask.c: the reservation is no longer ours, though the connection is; settled() or lost() follows. */
void consumer_lose(struct job *job, const char *why);
/* touches the jobs whose time for it has come. */
void queue_keep(struct queue *queue);

/* `use`, when the connection uses another tube. */
void consumer_use(struct consumer *consumer, const char *tube);

/* beanstalkd_storage.c: whether such an answer to bury, or to release with delay, means that the job is lost. */
bool queue_storage_fault(const struct beanstalkd_reply *reply);
void queue_storage_failed(struct queue *queue, const struct job *job, const struct beanstalkd_reply *reply);

/* beanstalkd.c, called by consumers. */
void queue_consumer_holds(struct queue *queue);
/* It was set up; it has answered a reserve. */
void queue_consumer_ready(struct queue *queue);
void queue_consumer_works(struct queue *queue);
void queue_consumer_lost(struct queue *queue, const char *why);
void queue_consumer_empty(struct queue *queue);

#endif
