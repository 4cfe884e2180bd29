#include "lua/library.h"

#include "base/memory.h"
#include "base/suggest.h"

#include <fts.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char **list;
    size_t count;
};

/* Whether `name` ended so; then it does no more. */
static bool cut(char *name, const char *end)
{
    size_t length = strlen(name), size = strlen(end);
    if (length <= size || strcmp(name + length - size, end) != 0)
        return false;
    name[length - size] = '\0';
    return true;
}

/* `file` is relative to lib/. */
static void add(struct names *names, const char *file)
{
    char *name = mem_copy(file, strlen(file));
    if (!cut(name, ".lua")) {
        free(name);
        return;
    }
    cut(name, "/init");
    for (char *slash = name; (slash = strchr(slash, '/'));)
        *slash = '.';
    names->list = mem_resize(names->list, (names->count + 1) * sizeof *names->list);
    names->list[names->count++] = name;
}

char *library_suggest(const char *root, const char *name)
{
    struct names names = {0};
    char *library = mem_printf("%s/lib", root);
    char *const roots[] = {library, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree && (entry = fts_read(tree));)
        if (entry->fts_info == FTS_F)
            add(&names, entry->fts_path + strlen(library) + 1);
    if (tree)
        fts_close(tree);
    free(library);
    const char *closest = suggest(name, (const char *const *)names.list, names.count);
    char *result = closest ? mem_copy(closest, strlen(closest)) : NULL;
    for (size_t i = 0; i < names.count; i++)
        free(names.list[i]);
    free(names.list);
    return result;
}
