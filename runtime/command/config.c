#include "command/command.h"
#include "command/options.h"

int command_config(int argc, char **argv)
{
    const char *check = NULL;
    const struct option_spec specs[] = {
        {.name = "check", .help = "only check, print nothing but errors and 'ok'", .value = &check},
        {.name = "beanstalkd"},
        {.name = "redis"},
        {0},
    };
    const struct options options = {
        .command = "config",
        .usage = "",
        .summary = "Prints the configuration that holds here, each value with where it comes from",
        .specs = specs,
    };
    int count, exit_code;
    struct config *config = options_parse(&options, argc, argv, &count, &exit_code);
    if (!config)
        return exit_code;
    if (check)
        printf("%s: ok\n", config->file ? config->file : "no config.yml here, only defaults");
    else
        config_print(config, stdout);
    config_free(config);
    return exit_code;
}
