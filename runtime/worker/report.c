/* What is logged of a job. The channel is the handler's name, or "worker" where the body names none. */
#include "worker/wiring.h"

#include "base/buffer.h"
#include "job/fields.h"

#include <stdio.h>
#include <string.h>

static const char *channel(const struct job *job)
{
    return *job->envelope.name ? job->envelope.name : "worker";
}

static void write_record(enum level level, const struct job *job, const char *message, const struct log_field *fields)
{
    log_write(level, channel(job), message, strlen(message), fields);
}

void report_found(const struct job *job)
{
    if (!log_takes(LEVEL_DEBUG))
        return;
    struct log_field fields[JOB_FIELDS_MOST + 1] = {{0}};
    job_fields(job, fields);
    write_record(LEVEL_DEBUG, job, "job found", fields);
}

void report_done(const struct job *job)
{
    if (!log_takes(LEVEL_DEBUG))
        return;
    struct log_field fields[JOB_FIELDS_MOST + 3] = {{0}};
    size_t count = job_fields(job, fields);
    fields[count++] = F_SECONDS("runtime", job->runtime_ns);
    if (job->progress)
        fields[count] = F_TEXT("progress", job->progress);
    write_record(LEVEL_DEBUG, job, "job finished", fields);
    log_job_ended(job->id, false);
}

static const char *describe(const struct policy_decision *decision)
{
    static const char *const verbs[] = {[POLICY_DELETE] = "deleted",
        [POLICY_BURY] = "buried",
        [POLICY_RELEASE] = "released",
        [POLICY_RETRY] = "retried"};
    return verbs[decision->verb];
}

static const char *failure_message(enum policy_outcome kind)
{
    switch (kind) {
    case POLICY_NO_ENVELOPE: return "job {next}: its body is no envelope: {reason}";
    case POLICY_UNKNOWN_NAME: return "job {next}: {reason}";
    case POLICY_BURIED: return "job {next} by its handler: {reason}";
    default: return "job failed and was {next}: {reason}";
    }
}

/* A command for this job, to be pasted. */
static void write_command(char command[320], const char *verb, const struct worker *worker, const struct job *job)
{
    const char *server = worker->config->beanstalkd.server;
    bool usual = strcmp(server, "127.0.0.1:11300") == 0;
    snprintf(command, 320, "lunastalk %s --id %llu%s%s", verb, (unsigned long long)job->id,
        usual ? "" : " --beanstalkd=", usual ? "" : server);
}

static void report_release(const struct job *job, const struct policy_decision *decision)
{
    const struct job_outcome *outcome = job->outcome;
    struct log_field fields[JOB_FIELDS_MOST + 4] = {
        F_NUMBER("delay", decision->delay_s), F_BYTES("reason", outcome->reason, outcome->reason_size)};
    bool reasoned = outcome->kind == POLICY_UNAVAILABLE;
    size_t count = 1 + reasoned;
    count += job_fields(job, fields + count);
    fields[count++] = F_SECONDS("runtime", job->runtime_ns);
    fields[count] = (struct log_field){0};
    write_record(LEVEL_INFO, job,
        reasoned ? "job released, to run again in {delay} s: {reason}" : "job released, to run again in {delay} s",
        fields);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void report_failure(const struct worker *worker, const struct job *job, const struct policy_decision *decision)
{
    char names[256], show[320], again[320];
    const struct job_outcome *outcome = job->outcome;
    bool retried = decision->verb == POLICY_RETRY;
    struct buffer exception = {0};
    struct log_field fields[JOB_FIELDS_MOST + 11] = {
        retried ? F_NUMBER("delay", decision->delay_s) : F_TEXT("next", describe(decision)),
        F_BYTES("reason", outcome->reason, outcome->reason_size)};
    size_t count = 2 + job_fields(job, fields + 2);
    fields[count++] = F_SECONDS("runtime", job->runtime_ns);
    if (job->retry.max)
        fields[count++] = F_NUMBER("attempts", job->retry.max + UINT64_C(1));
    if (job->progress)
        fields[count++] = F_TEXT("progress", job->progress);
    if (job->peak)
        fields[count++] = F_NUMBER("peak_memory", job->peak);
    buffer_append(&exception, outcome->reason, outcome->reason_size);
    buffer_append_text(&exception, "\n");
    buffer_append(&exception, outcome->traceback, outcome->traceback_size);
    if (starts_with(outcome->traceback, "stack traceback:"))
        fields[count++] = F_BYTES("exception", buffer_data(&exception), buffer_size(&exception));
    else if (outcome->traceback_size)
        fields[count++] = F_BYTES("traceback", outcome->traceback, outcome->traceback_size);
    write_command(show, "peek", worker, job);
    write_command(again, "kick", worker, job);
    if (decision->verb != POLICY_DELETE)
        fields[count++] = F_TEXT("show", show);
    if (decision->verb == POLICY_BURY)
        fields[count++] = F_TEXT("again", again);
    if (outcome->kind == POLICY_UNKNOWN_NAME) {
        handlers_write_names(pool_handlers(worker->pool), names, sizeof names);
        fields[count++] = F_TEXT("handlers", names);
    }
    if (retried)
        write_record(LEVEL_WARNING, job,
            "job failed, attempt {attempt} of {attempts}, and is retried in {delay} s: {reason}", fields);
    else
        write_record(LEVEL_ERROR, job, failure_message(outcome->kind), fields);
    buffer_free(&exception);
}

void report_outcome(const struct worker *worker, const struct job *job, const struct policy_decision *decision)
{
    log_job_ended(job->id, decision->failure); // what was held stands before the record
    if (decision->failure)
        report_failure(worker, job, decision);
    else
        report_release(job, decision);
    log_job_ended(job->id, decision->failure); // which may be held itself
}

void report_unsettled(const struct job *job, enum queue_answer answer, const char *text)
{
    static const char *const messages[] = {
        [QUEUE_GONE] = "job {id} could not be settled: its reservation was lost (TTR too short?); it may run again",
        [QUEUE_UNKNOWN] =
            "job {id}: the connection went before the server answered; if it was not settled it runs again",
        [QUEUE_REFUSED] = "job {id} could not be settled: the server said {answer}",
    };
    struct log_field fields[JOB_FIELDS_MOST + 3] = {F_TEXT("answer", text ? text : "nothing")};
    size_t count = 1 + job_fields(job, fields + 1);
    fields[count] = F_SECONDS("runtime", job->runtime_ns);
    write_record(answer == QUEUE_REFUSED ? LEVEL_ERROR : LEVEL_WARNING, job, messages[answer], fields);
    log_job_ended(job->id, true);
}

void report_lost(const struct job *job, const char *why)
{
    bool runs = job->state == JOB_SENT || job->state == JOB_RUNNING;
    struct log_field fields[JOB_FIELDS_MOST + 2] = {F_TEXT("why", why)};
    log_job_ended(job->id, runs);
    job_fields(job, fields + 1);
    write_record(runs ? LEVEL_WARNING : LEVEL_INFO, job,
        runs ? "job {id} lost its reservation while it ran: {why}; it is stopped here, its result is dropped, and it "
               "will run again"
             : "job {id} lost its reservation: {why}; it will run again",
        fields);
    log_job_ended(job->id, runs);
}
