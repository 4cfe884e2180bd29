#include "base/memory.h"
#include "command/body.h"
#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"
#include "command/start.h"
#include "command/trial.h"
#include "command/verdict.h"

#include <stdio.h>
#include <string.h>

enum { TTR_S = 60 }; // that of `put`

static const char details[] =
    "The handler really runs, in an executor like a worker's, with its limits of time and memory. Around it nothing\n"
    "happens: no job is settled, no callback is called, what it asks for reaches neither beanstalkd nor Redis.\n"
    "queue.put shows the job and returns an id; job:once is true, since no other job is asked about.\n"
    "\n"
    "  lunastalk exec greet '{\"name\": \"Ada\"}'\n"
    "  lunastalk exec --body job.json --attempt 3\n"
    "  lunastalk exec --buried 17                  the job stays where it is\n"
    "\n"
    "The log, with all levels, goes to stderr; what came of the job to stdout. Ctrl-C stops the job and shows where\n"
    "it was, a second one kills it.\n"
    "\n"
    "Exit codes: 0 it succeeded, or was released by its handler; 1 it failed, was interrupted or is not there;\n"
    "64 wrong usage; 69 beanstalkd cannot be reached; 78 the configuration or a handler is wrong, or it was started\n"
    "as root without --allow-root.\n";

struct flags {
    const char *body, *buried, *attempt, *as_json, *allow_root;
};

/* From where the job would come. */
static struct job *make_job(const char *server, uint64_t id, const struct buffer *body, const char *tube)
{
    struct job *job = job_new(server, id, buffer_data(body), buffer_size(body));
    job->stats = mem_new(sizeof *job->stats);
    snprintf(job->stats->tube, sizeof job->stats->tube, "%s", tube);
    job->stats->ttr_s = TTR_S;
    job->tube = job->stats->tube;
    return job;
}

/* A job that beanstalkd has, with what its stats say. It is not touched. */
static struct job *copy_job(struct session *session, uint64_t id, struct buffer *body, struct error *error)
{
    bool found;
    struct json *stats = NULL;
    if (client_peek_job(session->client, id, body, &found, error) < 0 ||
        (found && lookup_job(session->client, id, &stats, error) < 0))
        return NULL;
    if (!stats) {
        error_set(error, "there is no job %llu", (unsigned long long)id);
        return NULL;
    }
    struct job *job = make_job(session->config->beanstalkd.server, id, body, lookup_text(stats, "tube"));
    job->stats->ttr_s = (uint32_t)lookup_number(stats, "ttr");
    job->stats->buries = lookup_number(stats, "buries");
    if (strcmp(lookup_text(stats, "state"), "buried") != 0)
        fprintf(stderr, "lunastalk exec: job %llu is %s, not buried: a worker may run it too\n", (unsigned long long)id,
            lookup_text(stats, "state"));
    json_free(stats);
    return job;
}

static struct job *take_buried(struct session *session, const char *text, struct buffer *body, int *exit_code)
{
    uint64_t id;
    struct error error;
    if (option_number("--buried", text, 1, UINT64_MAX, &id, &error) < 0) {
        *exit_code = session_misused(session, "%s", error.text);
        return NULL;
    }
    if (!session_connect(session)) {
        *exit_code = EXIT_UNREACHABLE;
        return NULL;
    }
    struct job *job = copy_job(session, id, body, &error);
    if (!job)
        *exit_code = session_failed(session, "%s", error.text);
    client_close(session->client); // it is not needed while the job runs
    session->client = NULL;
    return job;
}

/* NULL: leave with *exit_code, why is said. */
static struct job *find_job(struct session *session, const struct flags *flags, int *exit_code)
{
    struct buffer body = {0};
    struct error error;
    struct job *job = NULL;
    const char *const *arguments = (const char *const *)session->arguments;
    if (!!flags->body + !!flags->buried + !!session->count != 1)
        *exit_code = session_misused(session, "which job? one of NAME [JSON], --body FILE and --buried ID");
    else if (flags->buried)
        job = take_buried(session, flags->buried, &body, exit_code);
    else if (flags->body && body_read(&body, flags->body, &error) < 0)
        *exit_code = session_failed(session, "%s", error.text);
    else if (!flags->body && body_make(&body, arguments[0], session->count > 1 ? arguments[1] : "{}", NULL, &error) < 0)
        *exit_code = session_misused(session, "%s", error.text);
    else
        job = make_job("exec", 0, &body, "default");
    buffer_free(&body);
    return job;
}

/* Runs it, unless its body is none that a worker would run. */
static int try_job(struct session *session, struct trial *trial, bool as_json)
{
    struct error why;
    struct job *job = trial->job;
    int exit_code = EXIT_DONE;
    if (envelope_parse(&job->envelope, job->body, job->size, &why) < 0)
        job_set_outcome(job, POLICY_NO_ENVELOPE, 0, why.text, strlen(why.text), "", 0);
    else
        exit_code = trial_run(trial);
    if (exit_code == EXIT_DONE)
        return verdict_print(trial, as_json);
    session_failed(session, "%s", trial->error.text);
    return exit_code;
}

static int exec(struct session *session, const struct flags *flags)
{
    char executor[PATH_MAX];
    uint64_t attempt = 0;
    struct error error;
    int exit_code = EXIT_FAILED;
    if (flags->attempt &&
        option_number("--attempt", flags->attempt, 1, ENVELOPE_RETRIES_MOST + 1, &attempt, &error) < 0)
        return session_misused(session, "%s", error.text);
    struct job *job = find_job(session, flags, &exit_code);
    if (!job)
        return exit_code;
    exit_code = start_prepare("exec", session->config, flags->allow_root, executor);
    if (exit_code == EXIT_DONE) {
        struct trial trial = {
            .config = session->config, .executor = executor, .job = job, .attempt = (unsigned)attempt};
        exit_code = try_job(session, &trial, flags->as_json);
        trial_free(&trial);
    }
    job_free(job);
    return exit_code;
}

int command_exec(int argc, char **argv)
{
    struct flags flags = {0};
    const struct option_spec specs[] = {
        {"body", "FILE", "run this whole envelope; '-' is stdin", .value = &flags.body},
        {"buried", "ID", "run a copy of this job of beanstalkd", .value = &flags.buried},
        {"attempt", "N", "let it be this attempt (the next one of a buried job, else 1)", .value = &flags.attempt},
        {.name = "json", .help = "print what came of it as one object", .value = &flags.as_json},
        {.name = "allow-root", .help = "run as root", .value = &flags.allow_root},
        {.name = "beanstalkd"},
        {0},
    };
    const struct options options = {
        .command = "exec",
        .usage = "NAME [JSON]",
        .summary = "Runs the job {\"job\": NAME, \"data\": JSON} ({} unless given) and shows what comes of it",
        .details = details,
        .specs = specs,
        .most = 2,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, exec(&session, &flags));
}
