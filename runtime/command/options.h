#ifndef LUNASTALK_COMMAND_OPTIONS_H
#define LUNASTALK_COMMAND_OPTIONS_H
/*
 * The command line of every subcommand: the flags that all of them have (--config, --help and those that stand for a
 * key of the configuration: --beanstalkd, --tube, --name, --executors, --log-level, as far as the command lists them)
 * and its own, described by one table from which --help is printed too.
 */
#include "base/error.h"
#include "config/config.h"

#include <stdint.h>

/*
 * A flag of one command. Exactly one of `key` and `value` is used; one that is named above needs neither, nor anything
 * but its name.
 */
struct option_spec {
    const char *name;     // "tube"
    const char *argument; // "NAME" in --help; NULL: the flag takes none
    const char *help;
    const char *key;    // the configuration key it sets ("worker.tubes"), each time it is given
    const char **value; // where the command finds its text, or "" for a flag without argument; stays NULL if not given
    size_t most;        // how often it may be given: `value` is the first of so many; 0 is 1
};

struct options {
    const char *command;             // "put"
    const char *usage;               // "NAME [JSON]"
    const char *summary;             // one line
    const char *details;             // the rest of --help: examples; may be NULL
    const struct option_spec *specs; // ends with a spec without name
    size_t least, most;              // positional arguments
};

/*
 * Parses (flags anywhere, "--flag=value" and "--flag value", "--" ends them; an unknown flag gets a suggestion) and
 * loads the configuration. Returns the configuration and leaves the positional arguments in argv[0 … *count - 1]; or
 * NULL with *exit_code to leave with: --help was printed (0), or the fault is on stderr (64 or 78).
 */
struct config *options_parse(const struct options *options, int argc, char **argv, int *count, int *exit_code);

/* Before a command connects: says on stderr that a `lunastalk dev` gave the address of a server, where one did. */
void options_tell_dev(const char *command, const struct config *config);

/* A whole number from `least` to `most` and nothing else. 0, or -1 and `error` ("--ttr: '1x' is no number from …"). */
int option_number(
    const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *error);

#endif
