#ifndef LUNASTALK_COMMAND_COMMAND_H
#define LUNASTALK_COMMAND_COMMAND_H
/*
 * The subcommands: one file each, listed in main.c's table. argv[0] is the subcommand's name. Each returns the exit
 * code.
 */

/* Exit codes; the numbers are those of sysexits.h where it has one. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,       // some of the work was not done: what and why is on stderr
    EXIT_USAGE = 64,       // the command line is wrong
    EXIT_UNREACHABLE = 69, // beanstalkd, or the Redis that was asked, cannot be reached
    EXIT_CONFIG = 78,      // config.yml, the environment or a handler is wrong
};

int command_run(int argc, char **argv);
int command_dev(int argc, char **argv);
int command_put(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_stats(int argc, char **argv);
int command_peek(int argc, char **argv);
int command_kick(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_status(int argc, char **argv);
int command_failed(int argc, char **argv);
int command_record(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_cancel(int argc, char **argv);
int command_log_test(int argc, char **argv);
int command_new(int argc, char **argv);
int command_test(int argc, char **argv);
int command_lua(int argc, char **argv);
int command_config(int argc, char **argv);

#endif
