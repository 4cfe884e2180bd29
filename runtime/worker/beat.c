#include "worker/beat.h"

#include "base/clock.h"
#include "base/json.h"
#include "worker/wiring.h"

#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

/* A moment of the monotonic clock as seconds since 1970. */
static double as_unix(uint64_t ns)
{
    return now_s() - (double)(clock_ns() - ns) / 1e9;
}

void beat_open(struct beat *beat)
{
    beat->started_ns = beat->measured_ns = clock_ns();
}

void beat_measure(struct beat *beat, const struct worker *worker)
{
    uint64_t now_ns = clock_ns();
    if (now_ns > beat->measured_ns)
        beat->rate = (double)(worker->jobs - beat->measured_jobs) * 1e9 / (double)(now_ns - beat->measured_ns);
    beat->measured_ns = now_ns;
    beat->measured_jobs = worker->jobs;
}

struct locks_holder beat_holder(const struct worker *worker, const struct job *job)
{
    struct locks_holder holder;
    int size = snprintf(holder.text, sizeof holder.text, "%s %llu ", job->server, (unsigned long long)job->id);
    holder.job_size = (size_t)size < sizeof holder.text ? (size_t)size : sizeof holder.text - 1;
    snprintf(holder.text + holder.job_size, sizeof holder.text - holder.job_size, "%s %s %llu", worker->identity.id,
        worker->identity.instance, (unsigned long long)job->reserved_ns);
    return holder;
}

static void text_member(struct buffer *json, const char *key, const char *text)
{
    buffer_printf(json, ",\"%s\":", key);
    if (text)
        json_quote(json, text, strlen(text));
    else
        buffer_append_text(json, "null");
}

struct longest {
    const struct job *job;
    uint64_t since_ns;
};

static void find_longest(void *context, struct job *job, uint64_t since_ns)
{
    struct longest *longest = context;
    if (job && (!longest->job || since_ns < longest->since_ns))
        *longest = (struct longest){job, since_ns};
}

static void write_status(struct buffer *json, const struct worker *worker)
{
    struct longest longest = {0};
    char status[ENVELOPE_NAME_LONGEST + 32] = "idle";
    pool_visit(worker->pool, find_longest, &longest);
    if (worker->state == WORKER_CLOSING)
        snprintf(status, sizeof status, "stopped");
    else if (worker->state == WORKER_STOPPING)
        snprintf(status, sizeof status, "stopping");
    else if (longest.job)
        snprintf(status, sizeof status, "processing_job_%s", longest.job->envelope.name);
    text_member(json, "status", status);
}

static void write_executor(void *context, struct job *job, uint64_t since_ns)
{
    struct buffer *json = context;
    buffer_append_text(json, buffer_data(json)[buffer_size(json) - 1] == '[' ? "{" : ",{");
    if (job) {
        buffer_append_text(json, "\"job\":");
        json_quote(json, job->envelope.name, strlen(job->envelope.name));
        text_member(json, "server", job->server);
        buffer_printf(json, ",\"id\":\"%llu\",\"since\":%.3f,\"progress\":%s", (unsigned long long)job->id,
            as_unix(since_ns), job->progress ? job->progress : "null");
    }
    buffer_append_text(json, "}");
}

static void write_tubes(struct buffer *json, const struct worker *worker)
{
    buffer_append_text(json, ",\"tubes\":[");
    for (size_t i = 0; i < worker->config->worker.tube_count; i++) {
        const char *tube = worker->config->worker.tubes[i];
        buffer_append_text(json, i ? "," : "");
        json_quote(json, tube, strlen(tube));
    }
    buffer_append_text(json, "]");
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void beat_describe(
    const struct beat *beat, const struct worker *worker, const struct version *version, struct buffer *json)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    buffer_printf(json, "{\"timestamp\":%lld", (long long)now_s());
    write_status(json, worker);
    text_member(json, "workerId", worker->identity.id);
    text_member(json, "instanceHash", worker->identity.instance);
    buffer_printf(
        json, ",\"jobs\":%llu,\"errors\":%llu", (unsigned long long)worker->jobs, (unsigned long long)worker->errors);
    text_member(json, "host", host);
    buffer_printf(json, ",\"pid\":%d", (int)getpid());
    text_member(json, "version", version->running);
    text_member(json, "release", LUNASTALK_VERSION);
    buffer_printf(json, ",\"started\":%.0f,\"runtime\":%llu,\"every\":%g,\"rate\":%.1f", as_unix(beat->started_ns),
        (unsigned long long)((clock_ns() - beat->started_ns) / 1000000000), worker->config->heartbeat.every_ms / 1000.0,
        beat->rate);
    text_member(json, "server", worker->config->beanstalkd.server);
    write_tubes(json, worker);
    buffer_append_text(json, ",\"executors\":[");
    pool_visit(worker->pool, write_executor, json);
    buffer_append_text(json, "],\"reserved_at\":");
    if (beat->reserved_ns)
        buffer_printf(json, "%.0f", as_unix(beat->reserved_ns));
    else
        buffer_append_text(json, "null");
    buffer_printf(json, ",\"rss\":%llu", (unsigned long long)resident_bytes());
    text_member(json, "reload_error", worker->reload.error);
    text_member(json, "refused", worker->reload.error ? version->refused : NULL);
    buffer_append_text(json, "}");
}
