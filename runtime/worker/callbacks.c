#include "worker/callbacks.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "transfer/webhook.h"
#include "log/log.h"
#include "worker/deliveries.h"
#include "worker/wiring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PRIORITY = 1024, TTR_S = 120, ERROR_LONGEST = 4096 };

/* A job whose callbacks are being put. */
struct announcement {
    struct worker *worker;
    struct job *job; // held
    struct policy_decision decision;
    callbacks_done *then;
    unsigned left; // answers to come, and one for the putting itself
    bool broken;   // the connection went: the job is lost
};

struct put {
    struct announcement *announcement;
    struct webhook webhook;
};

/* The number of the job is a string, as everywhere in JSON: not every reader keeps 64 bits. */
static void write_payload(struct buffer *out, const struct job *job, const struct policy_decision *decision)
{
    const char *reason = job->outcome ? job->outcome->reason : "";
    size_t size = job->outcome ? utf8_cut(reason, job->outcome->reason_size, ERROR_LONGEST) : 0;
    buffer_printf(out, "{\"job\":\"%s\",\"id\":\"%llu\",\"server\":", job->envelope.name, (unsigned long long)job->id);
    json_quote(out, job->server, strlen(job->server));
    buffer_printf(
        out, ",\"state\":\"%s\",\"attempt\":%u,\"error\":", decision->failure ? "failed" : "done", decision->attempt);
    if (decision->failure)
        json_quote(out, reason, size);
    else
        buffer_append_text(out, "null");
    buffer_printf(out, ",\"runtime\":%.6f,\"finished\":%lld}", (double)job->runtime_ns / 1e9, (long long)time(NULL));
}

static void answered(struct announcement *announcement)
{
    struct job *job = announcement->job;
    if (--announcement->left)
        return;
    if (job->consumer && !announcement->broken)
        announcement->then(announcement->worker, job, &announcement->decision);
    job_free(job);
    free(announcement);
}

static void on_put(void *context, uint64_t id, const char *message, const char *code)
{
    struct put *put = context;
    struct announcement *announcement = put->announcement;
    (void)id;
    if (code && (strcmp(code, "UNKNOWN") == 0 || strcmp(code, "NOT_CONNECTED") == 0)) {
        announcement->broken = true;
    } else if (message) {
        LOG(LEVEL_WARNING, "a callback of job {id} is posted from memory: {why}", F_NUMBER("id", announcement->job->id),
            F_TEXT("server", announcement->job->server), F_TEXT("why", message));
        deliveries_post(announcement->worker->deliveries, &put->webhook);
    }
    webhook_free(&put->webhook);
    free(put);
    answered(announcement);
}

static void put_callback(struct announcement *announcement, const char *url, const char *id, struct buffer *payload)
{
    struct worker *worker = announcement->worker;
    struct put *put = mem_new(sizeof *put);
    struct buffer body = {0};
    put->announcement = announcement;
    put->webhook = webhook_make(url, id, buffer_data(payload), buffer_size(payload));
    webhook_write(&body, &put->webhook);
    const struct queue_put wanted = {
        .tube = worker->config->callbacks.tube,
        .priority = PRIORITY,
        .ttr_s = TTR_S,
        .body = buffer_data(&body),
        .size = buffer_size(&body),
    };
    announcement->left++;
    queue_put(worker->queue, announcement->job, &wanted, on_put, put);
    buffer_free(&body);
}

/* Of what happened, not of this run: a second run with the same end is the same message. */
static char *make_id(const struct worker *worker, const struct job *job, const struct policy_decision *decision)
{
    return mem_printf("%s-%llu-%s", queue_instance(worker->queue), (unsigned long long)job->id,
        decision->failure ? "failed" : "done");
}

void callbacks_before(
    struct worker *worker, struct job *job, const struct policy_decision *decision, callbacks_done *then)
{
    char **urls = job_callbacks(job, decision);
    if (!urls) {
        then(worker, job, decision);
        return;
    }
    struct announcement *announcement = mem_new(sizeof *announcement);
    struct buffer payload = {0};
    char *id = make_id(worker, job, decision);
    *announcement = (struct announcement){worker, job, *decision, then, 1, false};
    job_hold(job);
    write_payload(&payload, job, decision);
    for (char **url = urls; *url; url++)
        put_callback(announcement, *url, id, &payload);
    free(id);
    buffer_free(&payload);
    answered(announcement);
}
