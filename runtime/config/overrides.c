#include "config/overrides.h"

#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

#define PREFIX "LUNASTALK_"

enum { PREFIX_SIZE = sizeof PREFIX - 1 };

/* The place of an option in the table. */
static size_t find(const char *path)
{
    size_t i = 0;
    while (strcmp(schema.options[i].path, path) != 0)
        i++;
    return i;
}

const char *overrides_dev(struct reading *reading, const struct dev *dev, struct loaded *loaded)
{
    const char *place = arena_printf(reading->arena, "lunastalk dev, pid %lld", (long long)dev->pid);
    const char *const values[][2] = {{"beanstalkd.server", dev->beanstalkd}, {"redis.server", dev->redis}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        schema_read_option(reading, &schema, &schema.options[find(values[i][0])],
            node_given(reading->arena, arena_copy(reading->arena, values[i][1], strlen(values[i][1])), place), loaded,
            loaded->origins);
    return place;
}

void overrides_dev_settle(const struct dev *dev, const char *place, struct loaded *loaded)
{
    struct config *config = &loaded->config;
    config->dev.beanstalkd = loaded->origins[find("beanstalkd.server")] == place;
    config->dev.redis = loaded->origins[find("redis.server")] == place;
    if (!config->redis.server || strcmp(config->redis.server, dev->redis) != 0)
        return;
    config->redis.user = config->redis.password = config->redis.password_file = NULL;
    loaded->origins[find("redis.user")] = place;
    loaded->origins[find("redis.password")] = place;
    loaded->origins[find("redis.password_file")] = place;
}

static const char *variable_name(struct arena *arena, const char *path)
{
    char *name = arena_printf(arena, PREFIX "%s", path);
    for (char *c = name; *c; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    return name;
}

const char *overrides_variable(char *const *environment, const char *name)
{
    size_t size = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=' && (*environment)[size + 1])
            return *environment + size + 1;
    return NULL;
}

/* names[0] is that of config.yml itself, which is no option. */
static void refuse_unknown(struct reading *reading, char *const *environment, const char *const *names, size_t count)
{
    for (; *environment; environment++) {
        size_t size = strcspn(*environment, "="), i = 0;
        if (strncmp(*environment, PREFIX, PREFIX_SIZE) != 0)
            continue;
        char *name = arena_copy(reading->arena, *environment + PREFIX_SIZE, size - PREFIX_SIZE);
        while (i < count && strcmp(name, names[i]) != 0)
            i++;
        if (i < count)
            continue;
        const char *meant = suggest(name, names, count);
        problems_add(reading->problems, problems_place(reading->arena, arena_printf(reading->arena, PREFIX "%s", name)),
            "unknown variable; %s%s%s", meant ? "did you mean '" PREFIX : "no option has this name", meant ? meant : "",
            meant ? "'?" : "");
    }
}

void overrides_environment(struct reading *reading, char *const *environment, struct loaded *loaded)
{
    const char *names[SCHEMA_OPTIONS + 1] = {"CONFIG"};
    size_t count = 1;
    for (size_t i = 0; i < schema.count; i++) {
        const char *name = variable_name(reading->arena, schema.options[i].path);
        const char *value = overrides_variable(environment, name);
        names[count++] = name + PREFIX_SIZE;
        if (value)
            schema_read_option(reading, &schema, &schema.options[i],
                node_given(reading->arena, arena_copy(reading->arena, value, strlen(value)), name), loaded,
                loaded->origins);
    }
    refuse_unknown(reading, environment, names, count);
}

/* The flags of one option as one value: a list flag may be repeated, of any other the last counts. */
static const struct node *gather(
    struct reading *reading, const struct option *option, const struct config_flag *flags, size_t count)
{
    const char *text = NULL, *flag = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(flags[i].key, option->path) != 0)
            continue;
        text = text && option->repeats ? arena_printf(reading->arena, "%s,%s", text, flags[i].value) : flags[i].value;
        flag = flags[i].flag;
    }
    if (!text)
        return NULL;
    return node_given(
        reading->arena, arena_copy(reading->arena, text, strlen(text)), arena_copy(reading->arena, flag, strlen(flag)));
}

void overrides_flags(struct reading *reading, const struct config_flag *flags, size_t count, struct loaded *loaded)
{
    for (size_t i = 0; i < schema.count; i++) {
        const struct node *node = gather(reading, &schema.options[i], flags, count);
        if (node)
            schema_read_option(reading, &schema, &schema.options[i], node, loaded, loaded->origins);
    }
}
