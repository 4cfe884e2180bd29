#include "config/config.h"
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* NULL when it is refused, and then with reasons. */
static struct config *parse(const char *bytes, size_t size)
{
    char *const environment[] = {NULL};
    struct buffer errors = {0};
    struct config *config = config_parse("/srv/config.yml", bytes, size, environment, NULL, 0, &errors);
    assert(!config == (buffer_size(&errors) > 0));
    buffer_free(&errors);
    return config;
}

/* What is printed is a configuration that means the same. */
static void check_printed(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print(config, out);
    fclose(out);
    struct config *again = parse(text, size);
    assert(again);
    assert(strcmp(again->settings, config->settings) == 0);
    assert(strcmp(again->jobs.path, config->jobs.path) == 0);
    assert(again->worker.tube_count == config->worker.tube_count && again->log_count == config->log_count);
    assert(memcmp(&again->executor, &config->executor, sizeof config->executor) == 0);
    config_free(again);
    free(text);
}

int fuzz_config(const uint8_t *data, size_t size)
{
    struct config *config = parse((const char *)data, size);
    if (config)
        check_printed(config);
    config_free(config);
    return 0;
}
