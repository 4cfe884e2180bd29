#include "command/again.h"

#include "command/command.h"
#include "command/lookup.h"
#include "job/envelope.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What became of a job that matches. */
enum verdict { POSSIBLE, ELSEWHERE, GONE, OTHER_JOB, OTHER_STATE, VERDICTS };

struct run {
    struct session *session;
    const struct again *again;
    char *instance; // of the server that is configured
    uint64_t counts[VERDICTS];
};

static int read_instance(struct run *run, struct error *error)
{
    struct buffer text = {0};
    struct json *stats = NULL;
    if (client_stats(run->session->client, &text, error) == 0)
        stats = json_parse(buffer_data(&text), buffer_size(&text), ENVELOPE_DEPTH, error);
    if (stats)
        run->instance = strdup(lookup_text(stats, "id"));
    json_free(stats);
    buffer_free(&text);
    return run->instance ? 0 : -1;
}

static bool is_state(const struct run *run, const char *state)
{
    if (run->again->verb == AGAIN_KICK)
        return strcmp(state, "buried") == 0;
    return strcmp(state, "reserved") != 0;
}

/* Whether the job's body names the handler that failed; a job without a name failed for being no envelope. */
static int check_name(
    struct client *client, const struct fault *fault, uint64_t id, enum verdict *verdict, struct error *error)
{
    struct buffer body = {0};
    struct error ignored;
    struct json *document = NULL;
    bool found;
    int result = client_peek_job(client, id, &body, &found, error);
    if (result == 0 && buffer_size(&body))
        document = json_parse(buffer_data(&body), buffer_size(&body), ENVELOPE_DEPTH, &ignored);
    const char *name = lookup_name(document);
    *verdict = strcmp(name ? name : "", fault->field[FAILED_NAME]) == 0 ? POSSIBLE : OTHER_JOB;
    json_free(document);
    buffer_free(&body);
    return result;
}

/* Looks at the job in beanstalkd. 0 and the verdict, or -1 and `error`. */
static int judge(struct run *run, const struct fault *fault, uint64_t *id, enum verdict *verdict, struct error *error)
{
    struct client *client = run->session->client;
    struct json *stats;
    char *end;
    *id = strtoull(fault->field[FAILED_ID], &end, 10);
    *verdict = ELSEWHERE;
    if (strcmp(fault->field[FAILED_INSTANCE], run->instance) != 0 || *end || !*id)
        return 0;
    if (lookup_job(client, *id, &stats, error) < 0)
        return -1;
    *verdict = !stats ? GONE : is_state(run, lookup_text(stats, "state")) ? POSSIBLE : OTHER_STATE;
    json_free(stats);
    return *verdict == POSSIBLE ? check_name(client, fault, *id, verdict, error) : 0;
}

static int count(struct run *run, const struct faults *faults, struct error *error)
{
    uint64_t id;
    enum verdict verdict;
    memset(run->counts, 0, sizeof run->counts);
    for (size_t i = 0; i < faults->count; i++) {
        if (judge(run, faults->list[i], &id, &verdict, error) < 0)
            return -1;
        run->counts[verdict]++;
    }
    return 0;
}

/* All entries of the job, the oldest first: what is left of an interrupted run is its last failure. */
static int forget(struct run *run, const struct fault *fault, struct error *error)
{
    const char *first = buffer_data(&fault->entries), *entry = first + buffer_size(&fault->entries);
    while (entry > first) {
        for (entry--; entry > first && entry[-1]; entry--)
            ;
        if (failed_remove(run->session->redis, entry, error) < 0)
            return -1;
    }
    return 0;
}

/* Looks again: since they were counted, somebody else may have acted. */
static int act_on(struct run *run, const struct fault *fault, uint64_t *done, struct error *error)
{
    struct client *client = run->session->client;
    enum verdict verdict;
    uint64_t id;
    bool found = false;
    if (judge(run, fault, &id, &verdict, error) < 0)
        return -1;
    if (verdict != POSSIBLE)
        return 0;
    int result = run->again->verb == AGAIN_KICK ? client_kick_job(client, id, &found, error)
                                                : client_delete(client, id, &found, error);
    *done += found;
    return result == 0 && found ? forget(run, fault, error) : result;
}

static int act(struct run *run, const struct faults *faults)
{
    struct error error;
    uint64_t done = 0;
    int exit_code = EXIT_DONE;
    const char *what = run->again->verb == AGAIN_KICK ? "kicked" : "deleted";
    for (size_t i = 0; i < faults->count && exit_code == EXIT_DONE; i++)
        if (act_on(run, faults->list[i], &done, &error) < 0)
            exit_code = session_failed(run->session, "%s; what was done stays done", error.text);
    if (run->again->as_json)
        printf("{\"matched\":%zu,\"%s\":%llu}\n", faults->count, what, (unsigned long long)done);
    else
        printf("%s %llu of %zu jobs that match\n", what, (unsigned long long)done, faults->count);
    return exit_code;
}

static void print_counts(const struct run *run, size_t matched)
{
    static const char *const reasons[VERDICTS] = {[ELSEWHERE] = "of another server, or of this one before its restart",
        [GONE] = "gone from beanstalkd",
        [OTHER_JOB] = "now another job",
        [OTHER_STATE] = "held by a worker"};
    bool kick = run->again->verb == AGAIN_KICK;
    fprintf(stderr, "%llu of %zu jobs that match can be %s at %s\n", (unsigned long long)run->counts[POSSIBLE], matched,
        kick ? "kicked" : "deleted", run->session->config->beanstalkd.server);
    for (size_t i = ELSEWHERE; i < VERDICTS; i++)
        if (run->counts[i])
            fprintf(stderr, "left out: %llu %s\n", (unsigned long long)run->counts[i],
                i == OTHER_STATE && kick ? "not buried (any more)" : reasons[i]);
}

/* Whether it may be done. */
static bool confirm(const struct run *run)
{
    char answer[16];
    const char *verb = run->again->verb == AGAIN_KICK ? "kick" : "delete";
    if (run->again->yes)
        return true;
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s them? [y/N] ", verb);
        if (fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y'))
            return true;
    }
    session_failed(run->session, "nothing was done; --yes %ss them", verb);
    return false;
}

static int run_all(struct run *run, const struct faults *faults)
{
    struct error error;
    if (count(run, faults, &error) < 0)
        return session_failed(run->session, "%s", error.text);
    print_counts(run, faults->count);
    if (run->counts[POSSIBLE] && !confirm(run))
        return EXIT_FAILED;
    return act(run, faults);
}

int again_run(struct session *session, const struct again *again, const struct faults_filter *filter)
{
    struct error error;
    struct faults faults = {0};
    struct run run = {.session = session, .again = again};
    int exit_code;
    if (!session_connect(session))
        return EXIT_UNREACHABLE;
    if (read_instance(&run, &error) < 0 || faults_read(&faults, session->redis, filter, &error) < 0)
        exit_code = session_failed(session, "%s", error.text);
    else
        exit_code = run_all(&run, &faults);
    faults_free(&faults);
    free(run.instance);
    return exit_code;
}
