#include "config/config.h"

#include "base/memory.h"
#include "config/overrides.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 256 * 1024, CHUNK = 16 * 1024 };

/* ---- the file ---- */

static const char *read_all(int file, struct buffer *bytes)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return strerror(errno);
    if (S_ISDIR(status.st_mode))
        return strerror(EISDIR);
    if (!S_ISREG(status.st_mode))
        return "Not a regular file";
    while (buffer_size(bytes) <= LARGEST) {
        ssize_t got = read(file, buffer_reserve(bytes, CHUNK), CHUNK);
        if (got < 0)
            return strerror(errno);
        if (got == 0)
            return NULL;
        buffer_commit(bytes, (size_t)got);
    }
    return "Larger than 256 KB";
}

/* Why it cannot be read, or NULL. */
static const char *read_file(const char *path, struct buffer *bytes)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // a FIFO would wait for a writer
    if (file < 0)
        return strerror(errno);
    const char *fault = read_all(file, bytes);
    close(file);
    return fault;
}

/* ---- from file, environment and flags to the struct ---- */

struct source {
    const char *name;      // NULL when there is no file
    const char *directory; // of the project, where there is none; NULL: the current one
    bool live;             // a dev that lives in the project has a say
    const char *fault;     // why it has no bytes
    const char *bytes;
    size_t size;
};

static const char *absolute(struct reading *reading, const char *name)
{
    if (name && *name == '/')
        return arena_copy(reading->arena, name, strlen(name));
    char *directory = get_current_dir_name(); // a link stays one: a deploy may switch it
    if (!directory)
        problems_add(reading->problems, "the current directory", "%s", strerror(errno));
    const char *path = arena_printf(reading->arena, "%s/%s", directory ? directory : "", name ? name : "");
    free(directory);
    return path;
}

static void locate(struct reading *reading, struct loaded *loaded, const struct source *source)
{
    const char *name = source->name;
    while (name && strncmp(name, "./", 2) == 0)
        name += 2;
    const char *path =
        !name && source->directory ? arena_printf(reading->arena, "%s/", source->directory) : absolute(reading, name);
    const char *slash = strrchr(path, '/');
    loaded->config.file = name ? path : NULL;
    reading->directory = arena_copy(reading->arena, path, slash == path ? 1 : (size_t)(slash - path));
    loaded->config.directory = reading->directory;
}

static void read_defaults(struct reading *reading, struct loaded *loaded)
{
    for (size_t i = 0; i < schema.count; i++) {
        const struct option *option = &schema.options[i];
        if (option->initial)
            schema_read_option(reading, &schema, option, node_given(reading->arena, option->initial, "default"), loaded,
                loaded->origins);
    }
}

static void read_source(struct reading *reading, struct loaded *loaded, const struct source *source)
{
    if (!source->name)
        return;
    const char *place = problems_place(reading->arena, source->name);
    if (source->fault) {
        problems_add(reading->problems, place, "cannot be read: %s", source->fault);
        return;
    }
    const struct node *root = node_parse(reading->arena, reading->problems, place, true, source->bytes, source->size);
    if (root)
        schema_read(reading, &schema, "", root, loaded, loaded->origins);
}

static const struct config_flag *copy_flags(struct reading *reading, const struct config_flag *flags, size_t count)
{
    struct config_flag *copy = arena_new(reading->arena, count * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = flags[i];
    return copy;
}

static struct config *build(const struct source *source, char *const *environment, const struct config_flag *flags,
    size_t flag_count, struct buffer *errors)
{
    struct loaded *loaded = mem_new(sizeof *loaded);
    struct problems problems = {errors, 0};
    struct reading reading = {&loaded->arena, &problems, NULL};
    struct dev dev;
    loaded->environment = environment;
    loaded->flags = copy_flags(&reading, flags, flag_count);
    loaded->flag_count = flag_count;
    locate(&reading, loaded, source);
    bool lives = source->live && dev_find(reading.directory, &dev);
    read_defaults(&reading, loaded);
    read_source(&reading, loaded, source);
    const char *place = lives ? overrides_dev(&reading, &dev, loaded) : NULL;
    overrides_environment(&reading, environment, loaded);
    overrides_flags(&reading, flags, flag_count, loaded);
    if (lives)
        overrides_dev_settle(&dev, place, loaded);
    problems_close(&problems);
    if (!problems.count)
        return &loaded->config;
    config_free(&loaded->config);
    return NULL;
}

struct config *config_parse(const char *file, const char *bytes, size_t size, char *const *environment,
    const struct config_flag *flags, size_t flag_count, struct buffer *errors)
{
    const struct source source = {.name = file, .bytes = bytes, .size = size};
    return build(&source, environment, flags, flag_count, errors);
}

/* One that may not be looked at is there. */
static bool is_there(const char *name)
{
    return access(name, F_OK) == 0 || errno != ENOENT;
}

struct config *config_load(const char *file, char *const *environment, const struct config_flag *flags,
    size_t flag_count, struct buffer *errors)
{
    struct buffer bytes = {0};
    struct source source = {.name = file ? file : overrides_variable(environment, "LUNASTALK_CONFIG"), .live = true};
    if (!source.name && is_there("config.yml"))
        source.name = "config.yml";
    char *above = source.name ? NULL : dev_above();
    char *name = above ? mem_printf("%s/config.yml", above) : NULL;
    source.directory = above;
    if (name && is_there(name))
        source.name = name;
    if (source.name)
        source.fault = read_file(source.name, &bytes);
    if (!source.fault && buffer_size(&bytes)) {
        source.bytes = buffer_data(&bytes);
        source.size = buffer_size(&bytes);
    }
    struct config *config = build(&source, environment, flags, flag_count, errors);
    buffer_free(&bytes);
    free(above);
    free(name);
    return config;
}

struct config *config_again(const struct config *config, struct buffer *errors)
{
    const struct loaded *loaded = (const struct loaded *)config;
    return config_load(config->file, loaded->environment, loaded->flags, loaded->flag_count, errors);
}

void config_free(struct config *config)
{
    struct loaded *loaded = (struct loaded *)config;
    if (!loaded)
        return;
    arena_free(&loaded->arena);
    free(loaded);
}
