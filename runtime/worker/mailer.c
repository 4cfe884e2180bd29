/*
 * Mail as a sink: the first record is mailed at once, what follows at most once per interval, as a digest. With Redis all
 * workers of a pool share the digest and the interval; without it, or while it is away, each has its own.
 *
 *   IDLE ──due──▶ ASKING (Redis) ──taken, or no answer──▶ MAILING ──accepted──▶ IDLE
 *                     └──not due: others mail what we put there──▶ IDLE       └──refused: all of it is kept──▶ IDLE
 */
#include "worker/mailer.h"

#include "base/memory.h"
#include "config/arena.h"
#include "log/digest.h"
#include "log/log.h"
#include "redis/digests.h"
#include "worker/letter.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_S = 60,
    SHARE_MS = 200,        // until what is not due is put to that of the others
    ABSENT_MS = 1000,      // between two tries to, while Redis is away
    REFUSED_MS = 9 * 1000, // and while it refuses: so often that it stays one trouble (redis/trouble.h)
};

struct mailer {
    struct sink *sink;
    struct sinks *sinks;
    struct list place;
    struct config_sink config; // its texts are in `arena`: it outlives what was loaded
    struct arena arena;
    enum { MAILER_IDLE, MAILER_ASKING, MAILER_MAILING } state;
    struct digest pending; // to be mailed
    struct digest leaving; // while not IDLE
    uint64_t due_ms;       // uv_now() before which no mail is sent
    uint64_t share_ms;     // uv_now() before which Redis is not asked again
    bool shared;           // there may be something in Redis, for whoever comes first
    bool closing;          // a reload has taken it out of the log: `sink` is gone, what waits is mailed now
    uv_timer_t timer;
    uint64_t timer_ms; // uv_now() at which it ends, while it is active
};

static void on_timer(uv_timer_t *timer);
static void begin(struct mailer *mailer);

static bool has_work(const struct mailer *mailer)
{
    return mailer->pending.count || mailer->shared;
}

static bool is_shared(const struct mailer *mailer)
{
    return mailer->sinks->redis && redis_up(mailer->sinks->redis);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What is not mailed now is not mailed later. */
static bool is_last(const struct mailer *mailer)
{
    return mailer->closing || mailer->sinks->stopping;
}

/* There is something that cannot wait for a later turn. */
static bool presses(const struct mailer *mailer)
{
    return mailer->closing ? has_work(mailer) : mailer->sinks->stopping && mailer->pending.count;
}

/* Not at once: records are written from anywhere. */
static void schedule(struct mailer *mailer)
{
    uint64_t now = uv_now(mailer->sinks->loop), at = later(mailer->due_ms, now);
    if (mailer->state != MAILER_IDLE || !has_work(mailer) || mailer->closing)
        return;
    uint64_t share = later(mailer->share_ms, now + SHARE_MS);
    if (!mailer->pending.count)
        at = later(mailer->share_ms, at);
    else if (is_shared(mailer) && share < at)
        at = share;
    if (uv_is_active((uv_handle_t *)&mailer->timer) && mailer->timer_ms <= at)
        return;
    mailer->timer_ms = at;
    uv_timer_start(&mailer->timer, on_timer, at - now, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct mailer *mailer = handle->data;
    digest_clear(&mailer->pending);
    digest_clear(&mailer->leaving);
    list_remove(&mailer->place);
    arena_free(&mailer->arena);
    free(mailer);
}

/* Back to IDLE; the next mail not before `wait_ms`. */
static void rest(struct mailer *mailer, uint64_t wait_ms)
{
    mailer->state = MAILER_IDLE;
    mailer->due_ms = uv_now(mailer->sinks->loop) + wait_ms;
    if (mailer->closing)
        uv_close((uv_handle_t *)&mailer->timer, on_closed);
    else if (!mailer->sinks->stopping)
        schedule(mailer);
    sinks_mailed(mailer->sinks);
}

/* ---- one mail ---- */

static char *share_key(const struct mailer *mailer)
{
    struct buffer name = {0};
    buffer_printf(&name, "%s:%s:", mailer->sinks->identity->pool, level_name(mailer->config.level));
    for (size_t i = 0; i < mailer->config.email.address_count; i++)
        buffer_printf(&name, "%s%s", i ? "," : "", mailer->config.email.address[i]);
    char *key = redis_key(mailer->sinks->redis, "lunastalk.mail:", buffer_text(&name));
    buffer_free(&name);
    return key;
}

/* It waits again, before what has come meanwhile. */
static void keep_leaving(struct mailer *mailer)
{
    digest_merge(&mailer->leaving, &mailer->pending);
    mailer->pending = mailer->leaving;
    mailer->leaving = (struct digest){.count = 0};
}

/* There is no next try. */
static void lose(struct mailer *mailer, const char *why)
{
    LOG(LEVEL_WARNING, "{count} records for {address} are not mailed: {why}",
        F_NUMBER("count", digest_records(&mailer->pending)), F_TEXT("address", mailer->config.email.address[0]),
        F_TEXT("why", why));
    digest_clear(&mailer->pending);
    rest(mailer, 0);
}

/* No worker of the pool mails before so many seconds are over. */
static void put_off(const struct mailer *mailer, unsigned seconds)
{
    if (!mailer->sinks->redis)
        return;
    char *key = share_key(mailer);
    digests_put_off(mailer->sinks->redis, key, seconds);
    free(key);
}

static void give_back(struct mailer *mailer, const char *why)
{
    unsigned interval_s = mailer->config.email.interval_s, wait_s = interval_s < RETRY_S ? interval_s : RETRY_S;
    keep_leaving(mailer);
    if (!mailer->closing)
        sink_failed(mailer->sink, why);
    if (is_last(mailer)) {
        lose(mailer, why);
        return;
    }
    put_off(mailer, wait_s);
    rest(mailer, wait_s * UINT64_C(1000));
}

static void on_mailed(void *context, const char *why)
{
    struct mailer *mailer = context;
    if (why) {
        give_back(mailer, why);
        return;
    }
    if (!mailer->closing) {
        sink_wrote(mailer->sink, digest_records(&mailer->leaving), 0);
        put_off(mailer, mailer->config.email.interval_s); // from now: delivering took its time
    }
    digest_clear(&mailer->leaving);
    if (presses(mailer))
        begin(mailer);
    else
        rest(mailer, mailer->config.email.interval_s * UINT64_C(1000));
}

static void mail_leaving(struct mailer *mailer)
{
    struct error error;
    mailer->state = MAILER_MAILING;
    if (letter_send(mailer->sinks, &mailer->config, &mailer->leaving, on_mailed, mailer, &error) < 0)
        give_back(mailer, error.text);
}

/* Nobody else mails what leaves: now, or when it is due. */
static void mail_alone(struct mailer *mailer)
{
    uint64_t now = uv_now(mailer->sinks->loop);
    if (is_last(mailer))
        digest_merge(&mailer->leaving, &mailer->pending); // what has come while we asked
    if (digest_records(&mailer->leaving) && (is_last(mailer) || now >= mailer->due_ms)) {
        mail_leaving(mailer);
        return;
    }
    keep_leaving(mailer);
    rest(mailer, mailer->due_ms > now ? mailer->due_ms - now : 0);
}

/* ---- what a pool shares ---- */

static void on_answer(void *context, const struct digests_answer *answer)
{
    struct mailer *mailer = context;
    if (answer->known)
        digest_clear(&mailer->leaving); // it is in Redis, or comes from there
    for (size_t i = 0; i < answer->count; i++)
        digest_import(&mailer->leaving, answer->groups[i], strlen(answer->groups[i]));
    mailer->shared = !answer->known || (!answer->taken && answer->wait_ms);
    mailer->share_ms = answer->known ? 0 : uv_now(mailer->sinks->loop) + REFUSED_MS;
    if (answer->taken)
        mailer->due_ms = 0;
    if (!answer->known || answer->taken)
        mail_alone(mailer);
    else if (presses(mailer))
        begin(mailer);
    else
        rest(mailer, answer->wait_ms);
}

static bool ask(struct mailer *mailer)
{
    struct redis *redis = mailer->sinks->redis;
    struct buffer groups = {0};
    unsigned interval_s = mailer->closing ? 0 : mailer->config.email.interval_s;
    if (!is_shared(mailer))
        return false;
    char *key = share_key(mailer);
    digest_export(&groups, &mailer->leaving, mailer->sinks->identity->id);
    bool sent = digests_put(redis, key, interval_s, buffer_data(&groups), buffer_size(&groups), on_answer, mailer);
    buffer_free(&groups);
    free(key);
    return sent;
}

static void begin(struct mailer *mailer)
{
    digest_merge(&mailer->leaving, &mailer->pending);
    mailer->state = MAILER_ASKING;
    uv_timer_stop(&mailer->timer);
    if (ask(mailer))
        return;
    mailer->shared = mailer->shared && mailer->sinks->redis; // else there is nobody to share with
    mailer->share_ms = uv_now(mailer->sinks->loop) + ABSENT_MS;
    mail_alone(mailer);
}

static void on_timer(uv_timer_t *timer)
{
    begin(timer->data);
}

/* ---- the sink ---- */

static const char *keep(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text)) : NULL;
}

static void adopt(struct mailer *mailer, const struct config_sink *config)
{
    size_t count = config->email.address_count;
    struct arena arena = {0};
    const char **addresses = arena_new(&arena, count * sizeof *addresses);
    for (size_t i = 0; i < count; i++)
        addresses[i] = keep(&arena, config->email.address[i]);
    mailer->config = *config;
    mailer->config.email.address = addresses;
    mailer->config.email.server = keep(&arena, config->email.server);
    mailer->config.email.from = keep(&arena, config->email.from);
    mailer->config.email.user = keep(&arena, config->email.user);
    mailer->config.email.password = keep(&arena, config->email.password);
    mailer->config.email.password_file = keep(&arena, config->email.password_file);
    mailer->config.email.ca_file = keep(&arena, config->email.ca_file);
    arena_free(&mailer->arena);
    mailer->arena = arena;
}

static void *open_mailer(void *context, const struct config_sink *config, struct sink *sink)
{
    struct mailer *mailer = mem_new(sizeof *mailer);
    mailer->sink = sink;
    mailer->sinks = context;
    mailer->shared = true; // what a worker left that has ended
    list_insert(&mailer->sinks->mailers, &mailer->place);
    uv_timer_init(mailer->sinks->loop, &mailer->timer);
    mailer->timer.data = mailer;
    uv_unref((uv_handle_t *)&mailer->timer); // what waits for it is mailed by mailers_stop()
    adopt(mailer, config);
    return mailer;
}

static void take(void *state, const struct sink_record *record)
{
    digest_add(&((struct mailer *)state)->pending, record);
}

static bool flush(void *state)
{
    struct mailer *mailer = state;
    if (!mailer->sinks->stopping)
        schedule(mailer);
    return false;
}

static void close_mailer(void *state)
{
    struct mailer *mailer = state;
    mailer->closing = true;
    uv_timer_stop(&mailer->timer);
    if (mailer->state != MAILER_IDLE)
        return;
    if (has_work(mailer) && !mailer->sinks->stopping)
        begin(mailer);
    else
        uv_close((uv_handle_t *)&mailer->timer, on_closed);
}

static void configure(void *state, const struct config_sink *config)
{
    struct mailer *mailer = state;
    uint64_t latest = uv_now(mailer->sinks->loop) + config->email.interval_s * UINT64_C(1000);
    if (mailer->config.level != config->level) { // the key has it: what is shared there another one mails now
        close_mailer(open_mailer(mailer->sinks, &mailer->config, NULL));
        mailer->shared = true;
    }
    adopt(mailer, config);
    if (mailer->due_ms <= latest)
        return;
    mailer->due_ms = latest; // the interval has become shorter
    if (mailer->state == MAILER_IDLE && has_work(mailer))
        begin(mailer);
}

const struct sink_class sink_email = {
    .filled = true, .open = open_mailer, .configure = configure, .take = take, .flush = flush, .close = close_mailer};

/* ---- all of them ---- */

bool mailers_busy(const struct sinks *sinks)
{
    for (const struct list *link = sinks->mailers.next; link != &sinks->mailers; link = link->next)
        if (list_entry(link, struct mailer, place)->state != MAILER_IDLE)
            return true;
    return false;
}

void mailers_stop(struct sinks *sinks)
{
    for (struct list *link = sinks->mailers.next; link != &sinks->mailers; link = link->next) {
        struct mailer *mailer = list_entry(link, struct mailer, place);
        if (mailer->state == MAILER_IDLE && mailer->pending.count)
            begin(mailer);
    }
}
