#include "redis/locks.h"

#include "base/list.h"
#include "base/memory.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "once:"

enum { AGAIN_MS = 200, TRIES = 25 };

struct locks {
    struct redis *redis;
    struct backlog *backlog;
    struct list waiting; // for an earlier run to give back
    uv_timer_t timer;    // while there is one
};

struct taking {
    struct locks *locks;
    struct list place; // in `waiting`
    unsigned tries;
    char *key;
    struct locks_holder holder;
    unsigned ttl_s;
    locks_done *done;
    void *context;
};

/* Of the script that takes. */
enum answer { ANOTHER_HAS_IT, TAKEN, EARLIER_RUN_HAS_IT };

/* KEYS[1] the key · ARGV: the run, the beginning that all runs of its job share, seconds */
static const char take[] = "local held = redis.call('GET', KEYS[1]) "
                           "if not held then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3]) return 1 end "
                           "if held == ARGV[1] then return 1 end " // taken before, and the answer was lost
                           "if string.sub(held, 1, #ARGV[2]) == ARGV[2] then return 2 end "
                           "return 0";

static const char give_back[] = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end";

static const char mark_done[] = "local left = redis.call('PTTL', KEYS[1]) "
                                "if left > 0 and redis.call('GET', KEYS[1]) == ARGV[1] then "
                                "  redis.call('SET', KEYS[1], 'done ' .. ARGV[1], 'PX', left) "
                                "end";

static void finish(struct taking *taking, bool first, const char *problem)
{
    taking->done(taking->context, first, problem);
    free(taking->key);
    free(taking);
}

static void fail(struct taking *taking, const char *why)
{
    char problem[256];
    snprintf(problem, sizeof problem, "redis away: %s", why);
    finish(taking, false, problem);
}

static void on_timer(uv_timer_t *timer);

static void wait_for_earlier(struct taking *taking)
{
    struct locks *locks = taking->locks;
    char problem[512];
    if (taking->tries++ < TRIES && !uv_is_closing((uv_handle_t *)&locks->timer)) {
        list_insert(&locks->waiting, &taking->place);
        if (!uv_is_active((uv_handle_t *)&locks->timer)) // one that comes does not put off the others
            uv_timer_start(&locks->timer, on_timer, AGAIN_MS, 0);
        return;
    }
    snprintf(problem, sizeof problem,
        "an earlier run of this job has %s and may still be at it, or was killed in the middle", taking->key);
    finish(taking, false, problem);
}

static void on_taken(void *context, const redisReply *reply)
{
    struct taking *taking = context;
    if (!reply || reply->type != REDIS_REPLY_INTEGER)
        fail(taking, reply && reply->type == REDIS_REPLY_ERROR ? reply->str : "no answer");
    else if (reply->integer == EARLIER_RUN_HAS_IT)
        wait_for_earlier(taking);
    else
        finish(taking, reply->integer == TAKEN, NULL);
}

static void on_ready(void *context, bool up)
{
    struct taking *taking = context;
    char ttl[16];
    struct redis_command command = {0};
    snprintf(ttl, sizeof ttl, "%u", taking->ttl_s);
    redis_word(&command, "EVAL");
    redis_word(&command, take);
    redis_word(&command, "1");
    redis_word(&command, taking->key);
    redis_word(&command, taking->holder.text);
    redis_bytes(&command, taking->holder.text, taking->holder.job_size);
    redis_word(&command, ttl);
    if (!up || !redis_send(taking->locks->redis, "once", &command, on_taken, taking))
        fail(taking, up ? "too much is unanswered" : "not connected");
}

/* Those that waited ask again, or are told that there is no more time. */
static void wake(struct locks *locks)
{
    struct list woken;
    list_take(&locks->waiting, &woken);
    while (!list_empty(&woken)) {
        struct taking *taking = list_entry(woken.next, struct taking, place);
        list_remove(&taking->place);
        on_ready(taking, redis_up(locks->redis));
    }
}

static void on_timer(uv_timer_t *timer)
{
    wake(timer->data);
}

struct locks *locks_new(uv_loop_t *loop, struct redis *redis, struct backlog *backlog)
{
    struct locks *locks = mem_new(sizeof *locks);
    locks->redis = redis;
    locks->backlog = backlog;
    list_init(&locks->waiting);
    uv_timer_init(loop, &locks->timer);
    locks->timer.data = locks;
    return locks;
}

void locks_take(struct locks *locks, const char *name, const struct locks_holder *holder, unsigned ttl_s,
    locks_done *done, void *context)
{
    struct taking *taking = mem_new(sizeof *taking);
    *taking = (struct taking){.locks = locks,
        .key = redis_key(locks->redis, PREFIX, name),
        .holder = *holder,
        .ttl_s = ttl_s,
        .done = done,
        .context = context};
    redis_when_up(locks->redis, on_ready, taking);
}

void locks_end(struct locks *locks, const char *name, const struct locks_holder *holder, bool well)
{
    char *key = redis_key(locks->redis, PREFIX, name);
    struct redis_command command = {0};
    redis_word(&command, "EVAL");
    redis_word(&command, well ? mark_done : give_back);
    redis_word(&command, "1");
    redis_word(&command, key);
    redis_word(&command, holder->text);
    backlog_add(locks->backlog, "once", &command, 0);
    free(key);
}

void locks_close(struct locks *locks)
{
    uv_close((uv_handle_t *)&locks->timer, NULL);
    wake(locks);
}

void locks_free(struct locks *locks)
{
    free(locks);
}
