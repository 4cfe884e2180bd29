#include "command/verdict.h"

#include "base/clock.h"
#include "base/json.h"
#include "command/command.h"
#include "command/text.h"

#include <string.h>

static const char *const outcomes[] = {
    [POLICY_SUCCEEDED] = "succeeded",
    [POLICY_FAILED] = "failed",
    [POLICY_RELEASED] = "released",
    [POLICY_BURIED] = "buried",
    [POLICY_UNAVAILABLE] = "unavailable",
    [POLICY_NO_ENVELOPE] = "no envelope",
    [POLICY_UNKNOWN_NAME] = "unknown name",
};

static const char *const verbs[] = {
    [POLICY_DELETE] = "delete", [POLICY_BURY] = "bury", [POLICY_RELEASE] = "release", [POLICY_RETRY] = "retry"};

struct verdict {
    const struct trial *trial;
    const struct job *job;
    const char *outcome;
    const struct job_outcome *why; // NULL: it succeeded
    struct policy_decision decision;
    char **callbacks; // NULL: none is told
};

static void judge(struct verdict *verdict, const struct trial *trial)
{
    const struct job *job = trial->job;
    *verdict = (struct verdict){.trial = trial, .job = job, .why = job->outcome};
    verdict->decision = job_decide(job, false, (uint32_t)clock_ns());
    verdict->outcome = outcomes[job->outcome ? job->outcome->kind : POLICY_SUCCEEDED];
    if (trial->interrupted)
        verdict->outcome = "interrupted";
    else
        verdict->callbacks = job_callbacks(job, &verdict->decision);
}

/* ---- for people ---- */

/* Behind the label; further lines stand below the first, tabs as blanks. */
static void add(struct buffer *out, const char *label, const char *text, size_t size)
{
    buffer_printf(out, "%-10s ", label);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            buffer_append_text(out, "\n           ");
        else if (text[i] == '\t')
            buffer_append_text(out, "    ");
        else
            buffer_append(out, &text[i], 1);
    }
    buffer_append_text(out, "\n");
}

static void add_text(struct buffer *out, const char *label, const char *text)
{
    add(out, label, text, strlen(text));
}

static void add_outcome(struct buffer *out, const struct verdict *verdict)
{
    struct buffer text = {0};
    const struct job_outcome *why = verdict->why;
    buffer_append_text(&text, verdict->outcome);
    if (why && why->reason_size) {
        buffer_append_text(&text, ": ");
        buffer_append(&text, why->reason, why->reason_size);
    }
    if (why && why->traceback_size) {
        buffer_append_text(&text, "\n");
        buffer_append(&text, why->traceback, why->traceback_size);
    }
    add(out, "outcome", buffer_data(&text), buffer_size(&text));
    buffer_free(&text);
}

static void add_handlers(struct buffer *out, const struct handlers *handlers)
{
    struct buffer text = {0};
    for (size_t i = 0; i < handlers->count; i++)
        buffer_printf(&text, "%s%s", i ? ", " : "", handlers->list[i].name);
    add(out, "handlers", buffer_data(&text), buffer_size(&text));
    buffer_free(&text);
}

static void add_run(struct buffer *out, const struct job *job)
{
    buffer_printf(
        out, "%-10s %.3f s, of %g s\n", "run time", (double)job->runtime_ns / 1e9, (double)job_limit_ms(job) / 1000);
    if (job->peak)
        buffer_printf(out, "%-10s %.1f MB of Lua at most\n", "memory", (double)job->peak / (1 << 20));
    if (job->progress)
        add_text(out, "progress", job->progress);
}

static void add_policy(struct buffer *out, const struct verdict *verdict)
{
    const struct policy_decision *decision = &verdict->decision;
    buffer_printf(out, "%-10s would be ", "policy");
    switch (decision->verb) {
    case POLICY_DELETE: buffer_append_text(out, "deleted"); break;
    case POLICY_BURY: buffer_append_text(out, "buried"); break;
    case POLICY_RELEASE: buffer_printf(out, "released, to run again in %u s", decision->delay_s); break;
    case POLICY_RETRY: buffer_printf(out, "tried again in about %u s", decision->delay_s); break;
    }
    if (verdict->job->retry.max)
        buffer_printf(out, " (attempt %u of %u)", decision->attempt, verdict->job->retry.max + 1);
    buffer_append_text(out, "\n");
    for (char **url = verdict->callbacks; url && *url; url++)
        add_text(out, url == verdict->callbacks ? "callback" : "", *url);
}

static void print_text(const struct verdict *verdict)
{
    struct buffer out = {0};
    const struct trial *trial = verdict->trial;
    if (*verdict->job->envelope.name)
        add_text(&out, "job", verdict->job->envelope.name);
    add_outcome(&out, verdict);
    if (verdict->why && verdict->why->kind == POLICY_UNKNOWN_NAME)
        add_handlers(&out, &trial->handlers);
    if (verdict->job->runtime_ns)
        add_run(&out, verdict->job);
    if (trial->put_count)
        buffer_printf(&out, "%-10s %u, none was sent\n", "puts", trial->put_count);
    if (!trial->interrupted)
        add_policy(&out, verdict);
    text_print(&out);
    buffer_free(&out);
}

/* ---- as JSON ---- */

static void member(struct buffer *out, const char *key, const char *text, size_t size)
{
    buffer_printf(out, ",\"%s\":", key);
    json_quote(out, text, size);
}

static void members_of_run(struct buffer *out, const struct job *job)
{
    buffer_printf(
        out, ",\"runtime\":%.6f,\"limit\":%g", (double)job->runtime_ns / 1e9, (double)job_limit_ms(job) / 1000);
    if (job->peak)
        buffer_printf(out, ",\"peak_memory\":%llu", (unsigned long long)job->peak);
    if (job->progress)
        buffer_printf(out, ",\"progress\":%s", job->progress);
}

static void members_of_policy(struct buffer *out, const struct verdict *verdict)
{
    const struct policy_decision *decision = &verdict->decision;
    buffer_printf(out, ",\"attempt\":%u,\"attempts\":%u,\"verb\":\"%s\",\"delay\":%u,\"callbacks\":[",
        decision->attempt, verdict->job->retry.max + 1, verbs[decision->verb], decision->delay_s);
    for (char **url = verdict->callbacks; url && *url; url++) {
        buffer_append_text(out, url == verdict->callbacks ? "" : ",");
        json_quote(out, *url, strlen(*url));
    }
    buffer_append_text(out, "]");
}

static void print_json(const struct verdict *verdict)
{
    struct buffer out = {0};
    const struct job *job = verdict->job;
    const struct job_outcome *why = verdict->why;
    buffer_printf(&out, "{\"job\":\"%s\",\"outcome\":\"%s\"", job->envelope.name, verdict->outcome);
    member(&out, "tube", job->tube, strlen(job->tube));
    member(&out, "reason", why ? why->reason : "", why ? why->reason_size : 0);
    member(&out, "traceback", why ? why->traceback : "", why ? why->traceback_size : 0);
    if (job->runtime_ns)
        members_of_run(&out, job);
    if (!verdict->trial->interrupted)
        members_of_policy(&out, verdict);
    buffer_append_text(&out, ",\"puts\":[");
    buffer_append(&out, buffer_data(&verdict->trial->puts), buffer_size(&verdict->trial->puts));
    buffer_append_text(&out, "]}\n");
    text_print(&out);
    buffer_free(&out);
}

int verdict_print(const struct trial *trial, bool as_json)
{
    struct verdict verdict;
    judge(&verdict, trial);
    if (as_json)
        print_json(&verdict);
    else
        print_text(&verdict);
    return trial->interrupted || verdict.decision.failure ? EXIT_FAILED : EXIT_DONE;
}
