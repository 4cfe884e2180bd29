#ifndef LUNASTALK_JOB_JOB_H
#define LUNASTALK_JOB_JOB_H
/*
 * A reserved job, from RESERVED to the broker's answer to its verb.
 *
 *   HELD ──▶ SENT ──▶ RUNNING ──▶ SETTLING ──▶ (freed)
 *    │ ▲      │ └────────────────────▲ ▲        SENT → SETTLING: it ran faster than anybody looked
 *    │ └──────┘ recalled, executor died │
 *    ├──────────────────────────────────┘       HELD → SETTLING: no envelope, unknown name
 *    └──▶ RETURNING ──▶ (freed) or SETTLING     handed back unrun: by closing, or one by one
 *   any ──▶ LOST ──▶ (freed)                    its connection died; what runs may still end
 *
 * queue/ makes it and hands it to worker/, which frees it when the queue has said that it is settled, returned or lost.
 */
#include "base/list.h"
#include "job/envelope.h"
#include "job/policy.h"

#include <stdbool.h>
#include <stdint.h>

enum job_state { JOB_HELD, JOB_SENT, JOB_RUNNING, JOB_SETTLING, JOB_RETURNING, JOB_LOST, JOB_STATES };

/* What `stats-job` said; asked once per job and only when something needs it. */
struct job_stats {
    char tube[201];
    uint32_t priority;
    uint32_t ttr_s;
    uint64_t age_s, buries;
};

/* Why a job is not deleted as done. */
struct job_outcome {
    enum policy_outcome kind;
    uint32_t delay_s;         // RELEASED
    char *reason, *traceback; // never NULL; "" when there is none
    size_t reason_size, traceback_size;
};

/* The version of the handlers that run it: one text for all jobs of that version. */
struct job_version {
    unsigned references; // freed with the last
    char text[];
};

struct job {
    enum job_state state;
    unsigned references; // job_free() is due so often; requests on the wire hold one each
    const char *server;  // with `id` the job's identity; the queue's, as configured
    uint64_t id;
    struct envelope envelope;
    struct policy_retry retry;   // what holds for it: the envelope's, else the handler's, else the configuration's
    uint64_t timeout_ms;         // likewise; 0: its TTR
    const char *tube;            // NULL while not known; the only tube that is watched, or of `stats`
    struct job_stats *stats;     // NULL while not asked
    struct job_version *version; // NULL while not sent, or unknown

    /* queue/: the reservation. `consumer` is NULL once it is lost: no verb can be sent any more. */
    struct consumer *consumer;
    struct list in_consumer;
    uint64_t reserved_ns;    // clock_ns()
    uint64_t touch_at_ms;    // uv_now() of the next touch; UINT64_MAX once a verb was sent
    uint64_t fresh_until_ms; // uv_now() until which the reservation certainly holds: later it is not begun

    /* worker/ and executor/ */
    struct list place; // in the list of held jobs, or of an executor's sent ones
    uint64_t held_ns;  // since when it waits to be run, recalled or not
    uint64_t sequence; // on the board, while SENT or RUNNING
    unsigned slot;
    uint64_t touched_ns;         // clock_ns() of the last job:touch(); 0: none
    uint64_t runtime_ns;         // of the handler; good from SETTLING on
    uint64_t peak;               // bytes of its Lua state at most, likewise; 0: not known
    struct job_outcome *outcome; // NULL: a success so far
    char *progress;              // JSON of its last job:progress(); NULL: none
    char *locks;                 // names that job:once() took, each with its NUL, and one more at the end; NULL: none
    bool recorded;               // that it runs
    bool cancelled;              // by a user

    size_t size;
    char body[]; // `size` bytes and a NUL
};

/* How long it may run; 0: not known yet, since its TTR is not. */
uint64_t job_limit_ms(const struct job *job);
/* HELD, with a copy of the body; nothing else set. */
struct job *job_new(const char *server, uint64_t id, const char *body, size_t size);
/* One more holder, who calls job_free() too. */
void job_hold(struct job *job);
void job_free(struct job *job);
/* With one reference, which the caller gives back. */
struct job_version *job_version_new(const char *text);
/* NULL is no mistake. */
void job_version_release(struct job_version *version);
/* From now on the job holds it too, instead of the one that it had; NULL: none. */
void job_set_version(struct job *job, struct job_version *version);
/* One more of `locks`. */
void job_add_lock(struct job *job, const char *name);
/* Sets the outcome, once: a later one of the same job is dropped. The texts are copied. */
void job_set_outcome(struct job *job, enum policy_outcome kind, uint32_t delay_s, const char *reason,
    size_t reason_size, const char *traceback, size_t traceback_size);
/*
 * What becomes of it: policy_decide() for its outcome, its retries and what its stats count. `cannot_store` and `random`
 * are policy's.
 */
struct policy_decision job_decide(const struct job *job, bool cannot_store, uint32_t random);
/* The URLs of its envelope that hear of its end, ended by NULL; NULL: none. */
char **job_callbacks(const struct job *job, const struct policy_decision *decision);
/* Moves to `state`; a move that the diagram does not have is a bug of ours and aborts. */
void job_move(struct job *job, enum job_state state);

#endif
