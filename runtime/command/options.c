#include "command/options.h"

#include "base/memory.h"
#include "base/suggest.h"
#include "command/command.h"
#include "command/text.h"
#include "config/units.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPECS_MOST = 32 };

/* The first two are flags of every command, the others of those that list them. */
static const struct option_spec common[] = {
    {.name = "config", .argument = "FILE", .help = "the configuration; ./config.yml unless given, if there is one"},
    {.name = "help", .help = "show this"},
    {"beanstalkd", "ADDRESS", "host:port, [v6]:port or unix:/path", .key = "beanstalkd.server"},
    {"redis", "ADDRESS", "host:port, [v6]:port or unix:/path", .key = "redis.server"},
    {"tube", "NAME", "a tube to take jobs from; may be given several times", .key = "worker.tubes"},
    {"name", "NAME", "the worker's name, part of its id", .key = "worker.name"},
    {"executors", "N", "jobs that run at a time", .key = "worker.executors"},
    {"log-level", "LEVEL", "least severe records to log, in every sink but mail", .key = "log.level"},
};

enum { COMMON_CONFIG, COMMON_HELP, COMMON_EVERY, COMMON_COUNT = sizeof common / sizeof *common };

struct parse {
    const struct options *options;
    const struct option_spec *specs[SPECS_MOST]; // all flags of the command
    size_t spec_count;
    struct config_flag *flags; // room for one per argument
    size_t flag_count;
    const char *config;
    bool help;
};

/* What the command's spec stands for: itself, or the common flag of its name. */
static const struct option_spec *resolve(const struct option_spec *spec)
{
    for (size_t i = 0; !spec->key && !spec->value && i < COMMON_COUNT; i++)
        if (strcmp(common[i].name, spec->name) == 0)
            return &common[i];
    return spec;
}

static void collect_specs(struct parse *parse)
{
    const struct option_spec *spec = parse->options->specs;
    for (; spec && spec->name && parse->spec_count < SPECS_MOST - COMMON_EVERY; spec++)
        parse->specs[parse->spec_count++] = resolve(spec);
    for (size_t i = 0; i < COMMON_EVERY; i++)
        parse->specs[parse->spec_count++] = &common[i];
}

static void print_help(const struct parse *parse)
{
    const struct options *options = parse->options;
    printf("usage: lunastalk %s%s%s [flags]\n%s.\n\n", options->command, *options->usage ? " " : "", options->usage,
        options->summary);
    for (size_t i = 0; i < parse->spec_count; i++) {
        const struct option_spec *spec = parse->specs[i];
        const char *argument = spec->argument ? spec->argument : "";
        int width = 18 - (int)strlen(spec->name);
        printf("  --%s %-*s %s\n", spec->name, width > 0 ? width : 0, argument, spec->help);
    }
    if (options->details)
        printf("\n%s", options->details);
}

static const struct option_spec *find_spec(const struct parse *parse, const char *name, struct error *error)
{
    const char *names[SPECS_MOST];
    for (size_t i = 0; i < parse->spec_count; i++) {
        names[i] = parse->specs[i]->name;
        if (strcmp(names[i], name) == 0)
            return parse->specs[i];
    }
    const char *close = suggest(name, names, parse->spec_count);
    if (close)
        error_set(error, "unknown flag '--%s'; did you mean '--%s'?", name, close);
    else
        error_set(error, "unknown flag '--%s'", name);
    return NULL;
}

static int keep_value(const struct option_spec *spec, const char *value, struct error *error)
{
    size_t given = 0, most = spec->most ? spec->most : 1;
    while (given < most && spec->value[given])
        given++;
    if (given == most)
        return error_set(error, most == 1 ? "--%s is given twice" : "--%s is given too often", spec->name);
    spec->value[given] = value;
    return 0;
}

static int keep(
    struct parse *parse, const struct option_spec *spec, const char *flag, const char *value, struct error *error)
{
    if (spec == &common[COMMON_HELP])
        parse->help = true;
    else if (spec == &common[COMMON_CONFIG])
        parse->config = value;
    else if (spec->key)
        parse->flags[parse->flag_count++] = (struct config_flag){spec->key, value, flag};
    else
        return keep_value(spec, value, error);
    return 0;
}

/* Reads argv[*at], "--flag", "--flag=value" or "--flag value"; *at ends at the last word it used. */
static int read_flag(struct parse *parse, int argc, char **argv, int *at, struct error *error)
{
    char *flag = argv[*at], *value = strchr(flag, '=');
    if (strcmp(flag, "-h") == 0)
        flag = "--help";
    if (flag[1] != '-')
        return error_set(error, "unknown flag '%s'; flags begin with '--', and what follows '--' alone is none", flag);
    if (value)
        *value++ = '\0';
    const struct option_spec *spec = find_spec(parse, flag + 2, error);
    if (!spec)
        return -1;
    if (!spec->argument && value)
        return error_set(error, "%s takes no value", flag);
    if (spec->argument && !value && ++*at == argc)
        return error_set(error, "%s needs a value: %s", flag, spec->argument);
    if (!value)
        value = spec->argument ? argv[*at] : "";
    return keep(parse, spec, flag, value, error);
}

static int read_arguments(struct parse *parse, int argc, char **argv, int *count, struct error *error)
{
    bool flags = true;
    *count = 0;
    for (int i = 1; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
        } else if (flags && argv[i][0] == '-' && argv[i][1]) {
            if (read_flag(parse, argc, argv, &i, error) < 0)
                return -1;
        } else {
            argv[(*count)++] = argv[i];
        }
    }
    size_t given = (size_t)*count;
    if (!parse->help && (given < parse->options->least || given > parse->options->most))
        return error_set(error, "too %s arguments; usage: lunastalk %s %s",
            given > parse->options->most ? "many" : "few", parse->options->command, parse->options->usage);
    return 0;
}

static struct config *load(const struct parse *parse, int *exit_code)
{
    struct buffer errors = {0};
    struct config *config = config_load(parse->config, environ, parse->flags, parse->flag_count, &errors);
    *exit_code = config ? EXIT_DONE : EXIT_CONFIG;
    text_write(stderr, &errors);
    buffer_free(&errors);
    return config;
}

struct config *options_parse(const struct options *options, int argc, char **argv, int *count, int *exit_code)
{
    struct error error;
    struct config *config = NULL;
    struct parse parse = {.options = options, .flags = mem_new((size_t)argc * sizeof *parse.flags)};
    collect_specs(&parse);
    *exit_code = EXIT_DONE;
    if (read_arguments(&parse, argc, argv, count, &error) < 0) {
        fprintf(stderr, "lunastalk %s: %s\n", options->command, error.text);
        *exit_code = EXIT_USAGE;
    } else if (parse.help) {
        print_help(&parse);
    } else {
        config = load(&parse, exit_code);
    }
    free(parse.flags);
    return config;
}

/* One address names all of it: beanstalkd's, unless that is told otherwise. */
void options_tell_dev(const char *command, const struct config *config)
{
    const char *server = config->dev.beanstalkd ? config->beanstalkd.server : config->redis.server;
    if (config->dev.beanstalkd || config->dev.redis)
        fprintf(stderr, "lunastalk %s: (dev, %s)\n", command, server);
}

int option_number(
    const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *error)
{
    if (units_number(text, number) && *number >= least && *number <= most)
        return 0;
    return error_set(error, "%s: '%s' is no whole number from %llu to %llu", what, text, (unsigned long long)least,
        (unsigned long long)most);
}
