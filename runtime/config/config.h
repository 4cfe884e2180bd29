#ifndef LUNASTALK_CONFIG_CONFIG_H
#define LUNASTALK_CONFIG_CONFIG_H
/*
 * The configuration: config.yml, overridden by the `lunastalk dev` that lives in the project (dev.h), overridden by
 * LUNASTALK_… of the environment, overridden by flags, checked against one table (schema.c) and frozen into a struct.
 * Everything in the struct is owned by it and lives until config_free().
 */
#include "base/buffer.h"
#include "base/level.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_sink_kind {
    CONFIG_SINK_STDOUT,
    CONFIG_SINK_STDERR,
    CONFIG_SINK_FILE,
    CONFIG_SINK_REDIS,
    CONFIG_SINK_EMAIL,
    CONFIG_SINK_KINDS
};
enum config_sink_format { CONFIG_FORMAT_LINE, CONFIG_FORMAT_JSON };
enum { CONFIG_SINKS_MOST = 16, CONFIG_ADDRESSES_MOST = 50 };

struct config_sink {
    enum config_sink_kind to;
    enum level level;
    enum config_sink_format format;
    bool buffer;      // keeps what is below the level for jobs that fail
    const char *path; // FILE: absolute
    const char *key;  // REDIS: a list, without redis.prefix
    unsigned max;     // REDIS: its length
    struct {
        const char *server; // "smtp://host:port" or "smtps://…"
        const char *from;   // NULL: lunastalk@ this host
        const char *const *address;
        size_t address_count;                        // 1 at least
        const char *user, *password, *password_file; // the file is absolute; NULL: not given
        const char *ca_file;                         // absolute; NULL: the authorities of the system
        unsigned interval_s;                         // one mail at most
    } email;                                         // EMAIL
};

struct config {
    const char *file;      // absolute; NULL when there is none and the defaults stand
    const char *directory; // absolute: of config.yml, else the current one. Paths are relative to it
    struct {
        const char *name; // NULL when not set: `run` then takes supervisord's group or "worker"
        const char *const *tubes;
        size_t tube_count; // 1 at least
        unsigned executors;
        unsigned shutdown_timeout_ms;
    } worker;
    struct {
        const char *server; // "host:port", "[v6]:port" or "unix:/path", as written
        unsigned reserve_timeout_s;
    } beanstalkd;
    struct {
        const char *path; // absolute
        struct {
            unsigned max;
            unsigned delay_s;
        } retry;                // for handlers and envelopes that say nothing of it
        unsigned timeout_ms;    // likewise; 0: the job's TTR
        unsigned max_timeout_s; // the most that an envelope may ask for
    } jobs;
    struct {
        uint64_t memory;     // bytes a job may use; 0: no limit
        unsigned max_jobs;   // an executor is replaced after so many; 0: never
        uint64_t max_memory; // an executor is replaced between jobs when it is larger; 0: never
    } executor;
    struct {
        const char *server; // as beanstalkd's; NULL: there is no Redis
        unsigned db;
        const char *user, *password, *password_file; // the file is absolute; NULL: not given
        const char *prefix;                          // before every key; may be ""
    } redis;
    struct {
        const char *key;
        unsigned every_ms;
    } heartbeat;
    struct {
        const char *key;
        const char *on_change; // "reload" or "exit"
    } reload;
    struct {
        const char *prefix; // before the id of an envelope
        unsigned ttl_s;
    } records;
    struct {
        const char *tube;     // where jobs' callbacks stand as jobs
        bool serve;           // whether this worker posts them
        unsigned concurrency; // at a time
        unsigned retries;
        const char *const *allow; // beside the public Internet: hosts, addresses, ranges
        size_t allow_count;
        const char *secret, *secret_file; // to sign with; the file is absolute; NULL: not given
    } callbacks;
    const struct config_sink *log;
    size_t log_count;
    const char *settings; // a JSON object
    struct {
        bool beanstalkd, redis; // whether the server is named by a `lunastalk dev`
    } dev;
};

/*
 * A value given by a flag. `key` is the path of an option ("worker.executors"; "log.level" is that of every sink but mail).
 * `value` is plain text ("a, b" or "[a, b]" for a list, YAML for a list of sinks or the settings). "worker.tubes" given
 * several times makes one list; of any other key the last counts.
 */
struct config_flag {
    const char *key;
    const char *value;
    const char *flag; // "--executors", for messages
};

/*
 * Reads and checks. `file` NULL: that of LUNASTALK_CONFIG, else ./config.yml if there is one, else that of the directory
 * above in which a `lunastalk dev` lives, if it has one. `environment` is environ;
 * an empty variable counts as unset, an unknown LUNASTALK_… is an error. NULL when anything is wrong: then all of it is
 * appended to `errors`, one "place: what; what to do" per line, a place being "config.yml:3:12" (file, line, column), a
 * variable or a flag.
 */
struct config *config_load(const char *file, char *const *environment, const struct config_flag *flags,
    size_t flag_count, struct buffer *errors);
/* The same from bytes, which may be anything, and without a dev; `file` is their name in messages, need not exist. */
struct config *config_parse(const char *file, const char *bytes, size_t size, char *const *environment,
    const struct config_flag *flags, size_t flag_count, struct buffer *errors);
/* The same from the same file, environment and flags, whose texts must still be there. */
struct config *config_again(const struct config *config, struct buffer *errors);
/*
 * Appends the paths of those options outside of jobs, log and settings, which a reload takes over, whose values differ:
 * "worker.tubes, callbacks.serve". Either may be a copy of what was loaded.
 */
void config_changes(const struct config *before, const struct config *after, struct buffer *paths);
/* NULL is no mistake. */
void config_free(struct config *config);
/* Every value with where it came from ("config.yml:3:12", "LUNASTALK_…", "--flag", "default"), as valid YAML. */
void config_print(const struct config *config, FILE *out);

#endif
