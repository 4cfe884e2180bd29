#ifndef LUNASTALK_QUEUE_QUEUE_H
#define LUNASTALK_QUEUE_QUEUE_H
/*
 * What worker/ sees of the queue: reserve, settle, return, ask, put. beanstalkd is its driver (beanstalkd.c); nothing
 * outside queue/ knows the protocol. Reservations are kept up by themselves: half a second after each, stats-job and touch
 * leave in one write (short jobs never pay for it), then a touch every third of the TTR until a verb is sent. A verb leaves on the connection that made the job's reservation or not at all.
 * All calls only append; queue_flush(), once at the end of a loop turn, asks for more jobs and writes. Events come from
 * the loop, never from within a call, except where a call says so.
 */
#include "job/job.h"

#include <uv.h>

struct queue;

enum queue_answer {
    QUEUE_DONE,    // as asked
    QUEUE_GONE,    // NOT_FOUND: the reservation was lost before (its TTR ran out), the job may run again
    QUEUE_UNKNOWN, // the connection went before the answer: done or not, nothing is sent again
    QUEUE_REFUSED, // the server would not: `text` says what
};

struct queue_events {
    void *context;
    /* A job was reserved. It is the receiver's. */
    void (*reserved)(void *context, struct job *job);
    /* The one answer to a delete, bury, release or return. The receiver frees the job. */
    void (*settled)(void *context, struct job *job, enum queue_answer answer, const char *text);
    /* The reservation is lost; no settled() will follow. The receiver frees the job when it can. */
    void (*lost)(void *context, struct job *job, const char *why);
    /* A wait for jobs ended without one. */
    void (*empty)(void *context);
};

struct queue_options {
    const char *server; // lives as long as the queue
    const char *const *tubes;
    size_t tube_count;
    unsigned reserve_timeout_s; // of a wait; 0: only look
    unsigned executors;
    bool quiet; // another queue of the same server logs how that is
};

struct queue *queue_new(uv_loop_t *loop, const struct queue_options *options, const struct queue_events *events);
/* Closes all connections: jobs not settled are lost() and ready again on the server. Frees when the loop has run out.
 */
void queue_close(struct queue *queue);

/* An executor is free and no job is held: queue_flush() sees to it that one connection waits for a job. */
void queue_wait(struct queue *queue);
/* So many executors work from now on: those too that only finish a job of theirs, which holds a connection. */
void queue_executors(struct queue *queue, unsigned executors);
/* At most so many jobs reserved at a time from now on; 0 stops reserving. UINT_MAX at first. */
void queue_limit(struct queue *queue, unsigned jobs);
/* Jobs reserved and not settled, returned or lost. */
unsigned queue_outstanding(const struct queue *queue);
/* Once per loop turn. settled() and lost() of jobs that are handed back come from within. */
void queue_flush(struct queue *queue);

/* Whether the server keeps what is buried or released with delay; while not, no job is reserved. */
bool queue_stores(const struct queue *queue);
/* Whether a verb can be sent: the connection of its reservation stands. */
bool queue_holds(const struct job *job);

/* Settling: moves the job to SETTLING (from HELD, SENT or RUNNING, or stays there after queue_ask()); one settled()
 * follows. */
void queue_delete(struct queue *queue, struct job *job);
/* Need job->stats: the job keeps its own priority. */
void queue_bury(struct queue *queue, struct job *job);
void queue_release(struct queue *queue, struct job *job, uint32_t delay_s);
/* Counts a failed attempt and releases: bury, reserve-job and release in one write. */
void queue_retry(struct queue *queue, struct job *job, uint32_t delay_s);
/* Hands a HELD job back unrun, at no cost to its counters where possible; one settled() follows. */
void queue_return(struct queue *queue, struct job *job);

/*
 * Fills job->stats and job->tube; done(context, job) once: job->stats stays NULL when the reservation is lost (lost()
 * or GONE follows or came before). With stats known already done() runs before the call returns.
 */
typedef void queue_asked(void *context, struct job *job);
void queue_ask(struct queue *queue, struct job *job, queue_asked *done, void *context);

struct queue_put {
    const char *tube; // valid (queue_tube_valid), NUL-terminated
    uint32_t priority, delay_s, ttr_s;
    const char *body;
    size_t size;
};

/*
 * Puts a job, over the connection of `job`'s reservation. done(context, id, message, code) once: message NULL and the
 * new id, or why not and a code (JOB_TOO_BIG, DRAINING, OUT_OF_MEMORY, BURIED …; NOT_CONNECTED: not sent; UNKNOWN: the
 * connection went before the answer). NOT_CONNECTED comes before the call returns, and so does JOB_TOO_BIG of a body
 * that is over the server's max-job-size: it is not sent.
 */
typedef void queue_put_done(void *context, uint64_t id, const char *message, const char *code);
void queue_put(struct queue *queue, struct job *job, const struct queue_put *put, queue_put_done *done, void *context);

/* Renews the reservation now, in the course of this turn or at once; the next renewal is a third of the TTR away. */
void queue_touch(struct queue *queue, struct job *job);
void queue_touch_now(struct queue *queue, struct job *job);

/*
 * This process stood still: what is read from the sockets in the next second may have been reserved long before. Such jobs,
 * and those HELD, are touched before they count as fresh.
 */
void queue_doubt(struct queue *queue);

/* The random id of the server's process; "" before the first connection. Ids of jobs are unique within it. */
const char *queue_instance(const struct queue *queue);

bool queue_tube_valid(const char *tube, size_t size);

#endif
