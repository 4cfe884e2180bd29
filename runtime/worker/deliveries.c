#include "worker/deliveries.h"

#include "base/clock.h"
#include "base/memory.h"
#include "config/secret.h"
#include "transfer/http.h"
#include "transfer/signature.h"
#include "transfer/webhook.h"
#include "log/log.h"
#include "worker/wiring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RETRY_DELAY_S = 5, // before the first retry; doubles with each
    REST_MS = 200,     // a post that failed keeps its place so long: a dead host costs little
    WAITING_MOST = 1000,
    GONE = 410,
};

static const char user_agent[] = "user-agent: lunastalk/" LUNASTALK_VERSION;

struct deliveries {
    struct worker *worker;
    struct queue *queue; // NULL: not serving
    struct http *http;
    struct signature_key key;
    bool stopping;
    unsigned under_way;                  // of all kinds, waiting and resting ones too
    struct list waiting, resting;        // from memory; after a failure, the first is due first
    unsigned waiting_count, from_memory; // of `waiting`; being posted from memory
    uv_timer_t rest;
};

/* A callback on its way. */
struct delivery {
    struct deliveries *deliveries;
    struct list place;
    struct job *job; // held; NULL: from memory
    struct webhook webhook;
    uint64_t due_ms; // uv_now(), when resting
};

static struct delivery *delivery_new(struct deliveries *deliveries, struct job *job)
{
    struct delivery *delivery = mem_new(sizeof *delivery);
    delivery->deliveries = deliveries;
    delivery->job = job;
    list_init(&delivery->place);
    if (job)
        job_hold(job);
    deliveries->under_way++;
    return delivery;
}

static void delivery_free(struct delivery *delivery)
{
    list_remove(&delivery->place);
    delivery->deliveries->under_way--;
    if (delivery->job)
        job_free(delivery->job);
    webhook_free(&delivery->webhook);
    free(delivery);
}

/* ---- what is logged ---- */

/* Of one from memory. */
static void report_gone(const struct delivery *delivery, const char *reason)
{
    char url[512];
    webhook_show_url(&delivery->webhook, url, sizeof url);
    LOG(LEVEL_ERROR, "callback {url} failed and is lost, as beanstalkd had not taken it: {reason}", F_TEXT("url", url),
        F_TEXT("reason", reason), F_TEXT("webhook", delivery->webhook.id));
}

static void report_failure(const struct delivery *delivery, const struct policy_decision *decision)
{
    static const char retried[] = "callback {url} failed, attempt {attempt}, and is retried in {delay} s: {reason}";
    static const char buried[] = "callback {url} failed, attempt {attempt}, and was buried: {reason}";
    char url[512];
    const struct job *job = delivery->job;
    const char *reason = job->outcome->reason;
    bool again = decision->verb == POLICY_RETRY;
    if (job->outcome->kind == POLICY_NO_ENVELOPE) {
        LOG(LEVEL_ERROR, "job {id} of {tube} was buried, it is no callback: {reason}", F_NUMBER("id", job->id),
            F_TEXT("tube", job->tube), F_TEXT("reason", reason));
        return;
    }
    webhook_show_url(&delivery->webhook, url, sizeof url);
    const struct log_field fields[] = {F_TEXT("url", url), F_NUMBER("attempt", decision->attempt),
        F_TEXT("reason", reason), F_NUMBER("id", job->id), F_TEXT("tube", job->tube),
        F_TEXT("webhook", delivery->webhook.id), again ? F_NUMBER("delay", decision->delay_s) : (struct log_field){0},
        {0}};
    log_write(again ? LEVEL_WARNING : LEVEL_ERROR, "worker", again ? retried : buried,
        again ? sizeof retried - 1 : sizeof buried - 1, fields);
}

static void report_success(const struct delivery *delivery, unsigned status)
{
    char url[512];
    if (!log_takes(LEVEL_DEBUG))
        return;
    webhook_show_url(&delivery->webhook, url, sizeof url);
    LOG(LEVEL_DEBUG, "callback {url} is delivered", F_TEXT("url", url), F_NUMBER("status", status),
        F_TEXT("webhook", delivery->webhook.id));
}

/* ---- the end of a callback job ---- */

static void settle_known(void *context, struct job *job)
{
    struct delivery *delivery = context;
    struct deliveries *deliveries = delivery->deliveries;
    if (job->consumer && job->stats) { // else lost: that was said, or follows
        const struct policy_input input = {
            .outcome = job->outcome->kind,
            .bury = true,
            .retry = {deliveries->worker->config->callbacks.retries, RETRY_DELAY_S},
            .buries = job->stats->buries,
            .random = (uint32_t)clock_ns(),
        };
        struct policy_decision decision = policy_decide(&input);
        report_failure(delivery, &decision);
        if (decision.verb == POLICY_RETRY)
            queue_retry(deliveries->queue, job, decision.delay_s);
        else
            queue_bury(deliveries->queue, job);
    }
    delivery_free(delivery);
}

/* Of one that was not delivered; the outcome says why. */
static void settle(struct delivery *delivery)
{
    struct job *job = delivery->job;
    if (!job->consumer) {
        delivery_free(delivery); // lost: it will be delivered again
        return;
    }
    job_move(job, JOB_SETTLING);
    queue_ask(delivery->deliveries->queue, job, settle_known, delivery);
}

static void settle_rested(struct deliveries *deliveries)
{
    for (struct list *link = deliveries->resting.next, *after; link != &deliveries->resting; link = after) {
        struct delivery *delivery = list_entry(link, struct delivery, place);
        after = link->next;
        if (!deliveries->stopping && delivery->due_ms > uv_now(&deliveries->worker->loop))
            return;
        list_remove(&delivery->place);
        settle(delivery);
    }
}

static void on_rest(uv_timer_t *timer)
{
    struct deliveries *deliveries = timer->data;
    settle_rested(deliveries);
    if (list_empty(&deliveries->resting))
        uv_timer_stop(timer);
}

static void rest(struct delivery *delivery)
{
    struct deliveries *deliveries = delivery->deliveries;
    delivery->due_ms = uv_now(&deliveries->worker->loop) + REST_MS;
    list_insert(&deliveries->resting, &delivery->place);
    if (!uv_is_active((uv_handle_t *)&deliveries->rest))
        uv_timer_start(&deliveries->rest, on_rest, REST_MS, REST_MS / 10);
}

/* ---- posting ---- */

static void post_waiting(struct deliveries *deliveries);

static bool is_success(const struct http_result *result)
{
    return result->end == HTTP_ANSWERED && result->status / 100 == 2;
}

/* Whether another try could end otherwise. */
static bool is_final(const struct http_result *result)
{
    return result->end == HTTP_REFUSED || result->end == HTTP_IMPOSSIBLE ||
           (result->end == HTTP_ANSWERED && result->status == GONE);
}

static void end_from_memory(struct delivery *delivery, const struct http_result *result, const char *reason)
{
    struct deliveries *deliveries = delivery->deliveries;
    if (!is_success(result))
        report_gone(delivery, reason);
    delivery_free(delivery);
    deliveries->from_memory--;
    post_waiting(deliveries);
}

static void on_posted(void *context, const struct http_result *result)
{
    struct delivery *delivery = context;
    struct job *job = delivery->job;
    char reason[1024];
    if (result->end == HTTP_ANSWERED)
        snprintf(reason, sizeof reason, "the answer was status %u", result->status);
    else
        snprintf(reason, sizeof reason, "%s", result->why);
    if (is_success(result))
        report_success(delivery, result->status);
    if (!job) {
        end_from_memory(delivery, result, reason);
    } else if (!job->consumer) {
        delivery_free(delivery); // lost meanwhile: it will be delivered again
    } else if (is_success(result)) {
        queue_delete(delivery->deliveries->queue, job);
        delivery_free(delivery);
    } else {
        job_set_outcome(job, is_final(result) ? POLICY_BURIED : POLICY_FAILED, 0, reason, strlen(reason), "", 0);
        rest(delivery);
    }
}

static void post(struct delivery *delivery)
{
    const struct deliveries *deliveries = delivery->deliveries;
    const struct webhook *webhook = &delivery->webhook;
    uint64_t now = (uint64_t)time(NULL);
    char *id = mem_printf("webhook-id: %s", webhook->id), *signature = NULL, signed_text[SIGNATURE_ROOM];
    char *timestamp = mem_printf("webhook-timestamp: %llu", (unsigned long long)now);
    if (deliveries->key.size) {
        signature_make(signed_text, &deliveries->key, webhook->id, now, webhook->payload, webhook->size);
        signature = mem_printf("webhook-signature: %s", signed_text);
    }
    const char *const headers[] = {"content-type: application/json", user_agent, id, timestamp, signature, NULL};
    const struct http_request request = {webhook->url, headers, webhook->payload, webhook->size};
    http_post(deliveries->http, &request, on_posted, delivery);
    free(id);
    free(timestamp);
    free(signature);
}

static void post_waiting(struct deliveries *deliveries)
{
    while (!list_empty(&deliveries->waiting) &&
           deliveries->from_memory < deliveries->worker->config->callbacks.concurrency) {
        struct delivery *delivery = list_entry(deliveries->waiting.next, struct delivery, place);
        list_remove(&delivery->place);
        deliveries->waiting_count--;
        deliveries->from_memory++;
        post(delivery);
    }
}

void deliveries_post(struct deliveries *deliveries, struct webhook *webhook)
{
    struct delivery *delivery = delivery_new(deliveries, NULL);
    delivery->webhook = *webhook;
    *webhook = (struct webhook){0};
    if (deliveries->waiting_count >= WAITING_MOST) {
        report_gone(delivery, "1000 others wait to be posted from memory");
        delivery_free(delivery);
        return;
    }
    list_insert(&deliveries->waiting, &delivery->place);
    deliveries->waiting_count++;
    post_waiting(deliveries);
}

/* ---- the queue's events ---- */

static void on_reserved(void *context, struct job *job)
{
    struct deliveries *deliveries = context;
    struct delivery *delivery = delivery_new(deliveries, job);
    struct error why;
    if (webhook_read(&delivery->webhook, job->body, job->size, &why) < 0) {
        job_set_outcome(job, POLICY_NO_ENVELOPE, 0, why.text, strlen(why.text), "", 0);
        settle(delivery);
    } else {
        post(delivery);
    }
}

static void on_settled(void *context, struct job *job, enum queue_answer answer, const char *text)
{
    (void)context;
    if (answer != QUEUE_DONE)
        report_unsettled(job, answer, text);
    job_free(job);
}

static void on_lost(void *context, struct job *job, const char *why)
{
    (void)context;
    report_lost(job, why);
    job_free(job);
}

static void on_empty(void *context)
{
    (void)context;
}

/* ---- life ---- */

static int read_key(struct signature_key *key, const struct config *config, struct error *error)
{
    char secret[SECRET_ROOM];
    struct error why;
    const char *file = config->callbacks.secret_file;
    if (secret_read(secret, "callbacks.secret", config->callbacks.secret, file, error) < 0)
        return -1;
    if ((file || *secret) && signature_key_read(key, secret, &why) < 0)
        return error_set(error, "callbacks.secret%s is no key: %s", file ? "_file" : "", why.text);
    return 0;
}

struct deliveries *deliveries_new(struct worker *worker, struct error *error)
{
    const struct config *config = worker->config;
    struct signature_key key = {.size = 0};
    if (read_key(&key, config, error) < 0)
        return NULL;
    struct deliveries *deliveries = mem_new(sizeof *deliveries);
    deliveries->worker = worker;
    deliveries->key = key;
    deliveries->http = http_new(&worker->loop, config->callbacks.allow, config->callbacks.allow_count);
    list_init(&deliveries->waiting);
    list_init(&deliveries->resting);
    uv_timer_init(&worker->loop, &deliveries->rest);
    deliveries->rest.data = deliveries;
    return deliveries;
}

void deliveries_start(struct deliveries *deliveries)
{
    const struct config *config = deliveries->worker->config;
    const struct queue_events events = {deliveries, on_reserved, on_settled, on_lost, on_empty};
    const struct queue_options options = {
        .server = config->beanstalkd.server,
        .tubes = &config->callbacks.tube,
        .tube_count = 1,
        .reserve_timeout_s = config->beanstalkd.reserve_timeout_s,
        .executors = config->callbacks.concurrency,
        .quiet = true,
    };
    if (!config->callbacks.serve || deliveries->stopping)
        return;
    deliveries->queue = queue_new(&deliveries->worker->loop, &options, &events);
    queue_limit(deliveries->queue, config->callbacks.concurrency);
}

void deliveries_flush(struct deliveries *deliveries)
{
    if (!deliveries->queue)
        return;
    if (!deliveries->stopping)
        queue_wait(deliveries->queue);
    queue_flush(deliveries->queue);
}

void deliveries_stop(struct deliveries *deliveries)
{
    deliveries->stopping = true;
    settle_rested(deliveries);
    if (deliveries->queue)
        queue_limit(deliveries->queue, 0);
}

bool deliveries_idle(const struct deliveries *deliveries)
{
    return !deliveries->under_way && (!deliveries->queue || !queue_outstanding(deliveries->queue));
}

static void on_rest_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void deliveries_close(struct deliveries *deliveries)
{
    deliveries->stopping = true;
    if (deliveries->queue)
        queue_close(deliveries->queue);
    for (struct list *link = deliveries->waiting.next, *after; link != &deliveries->waiting; link = after) {
        struct delivery *delivery = list_entry(link, struct delivery, place);
        after = link->next;
        report_gone(delivery, "the worker stops");
        delivery_free(delivery);
    }
    http_close(deliveries->http);
    settle_rested(deliveries);
    uv_close((uv_handle_t *)&deliveries->rest, on_rest_closed);
}
