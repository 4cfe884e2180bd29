#include "command/command.h"
#include "command/lookup.h"
#include "command/session.h"

struct kick {
    const char *id, *all, *delayed;
};

static int kick_job(struct session *session, const char *text)
{
    struct error error;
    uint64_t id;
    bool found;
    if (option_number("--id", text, 1, UINT64_MAX, &id, &error) < 0)
        return session_misused(session, "%s", error.text);
    if (!session_connect(session))
        return EXIT_UNREACHABLE;
    if (client_kick_job(session->client, id, &found, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!found)
        return session_failed(session, "job %s is neither buried nor delayed, or gone", text);
    printf("kicked job %s: it is ready\n", text);
    return EXIT_DONE;
}

/*
 * The server's kick takes buried jobs or, when there is none, delayed ones. So it is asked once, for no more than are
 * buried, unless delayed ones may go too.
 */
static int kick_most(
    struct client *client, const char *tube, uint64_t most, bool delayed, uint64_t *total, struct error *error)
{
    uint64_t kicked = most;
    for (*total = 0; *total < most && kicked; *total += kicked) {
        if (*total && !delayed)
            break;
        if (client_kick(client, tube, (uint32_t)(most - *total), &kicked, error) < 0)
            return -1;
    }
    return 0;
}

static int kick_tube(struct session *session, const struct kick *kick, const char *tube, uint64_t most)
{
    struct error error;
    struct json *stats;
    uint64_t kicked;
    if (lookup_tube(session->client, tube, &stats, &error) < 0)
        return session_failed(session, "%s", error.text);
    if (!stats)
        return session_failed(session, "there is no tube %s", tube);
    uint64_t delayed = lookup_number(stats, "current_jobs_delayed");
    uint64_t there = lookup_number(stats, "current_jobs_buried") + (kick->delayed ? delayed : 0);
    json_free(stats);
    if (kick_most(session->client, tube, most < there ? most : there, kick->delayed, &kicked, &error) < 0)
        return session_failed(session, "%s", error.text);
    printf("kicked %llu of %llu %s jobs of tube %s\n", (unsigned long long)kicked, (unsigned long long)there,
        kick->delayed ? "buried and delayed" : "buried", tube);
    if (kicked < there && !kick->all)
        puts("all of them: --all");
    else if (!there && delayed)
        printf("%llu are delayed: --delayed kicks those\n", (unsigned long long)delayed);
    return EXIT_DONE;
}

static int kick_jobs(struct session *session, const struct kick *kick)
{
    struct error error;
    const char *tube = session->arguments[0];
    uint64_t most = kick->all ? UINT32_MAX : 1;
    if (kick->id && (session->count || kick->all || kick->delayed))
        return session_misused(session, "--id stands alone: it names the job");
    if (kick->id)
        return kick_job(session, kick->id);
    if (!session->count)
        return session_misused(session, "which jobs? a TUBE, or --id N");
    if (session->count > 1 && kick->all)
        return session_misused(session, "either a number of jobs or --all");
    if (client_check_tube(tube, &error) < 0 ||
        (session->count > 1 && option_number("N", session->arguments[1], 1, UINT32_MAX, &most, &error) < 0))
        return session_misused(session, "%s", error.text);
    return session_connect(session) ? kick_tube(session, kick, tube, most) : EXIT_UNREACHABLE;
}

int command_kick(int argc, char **argv)
{
    struct kick kick = {0};
    const struct option_spec specs[] = {
        {"id", "N", "this job, buried or delayed", .value = &kick.id},
        {.name = "all", .help = "all that are buried", .value = &kick.all},
        {.name = "delayed", .help = "delayed jobs too, after the buried ones", .value = &kick.delayed},
        {.name = "beanstalkd"},
        {0},
    };
    const struct options options = {
        .command = "kick",
        .usage = "TUBE [N]",
        .summary = "Makes N buried jobs of a tube (1 unless given) ready to run again, the oldest first",
        .details = "examples:\n  lunastalk kick email.regular 10\n  lunastalk kick email.regular --all\n"
                   "  lunastalk kick --id 17\n",
        .specs = specs,
        .most = 2,
    };
    struct session session;
    int exit_code;
    if (!session_open(&session, &options, argc, argv, &exit_code))
        return exit_code;
    return session_close(&session, kick_jobs(&session, &kick));
}
