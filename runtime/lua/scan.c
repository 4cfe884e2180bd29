#include "lua/scan.h"

#include "base/memory.h"
#include "lua/source.h"

#include <errno.h>
#include <fts.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 16 };

/* The directory that holds it resolved, its own name kept: "jobs" stays "jobs" also when it is a link. */
static char *shown_path(const char *path)
{
    char *copy = mem_copy(path, strlen(path)), *again = mem_copy(path, strlen(path));
    char *directory = realpath(dirname(copy), NULL), *here = getcwd(NULL, 0);
    char *whole = mem_printf("%s/%s", directory ? directory : "", basename(again));
    size_t length = here ? strlen(here) : 0;
    bool below = here && strncmp(whole, here, length) == 0 && whole[length] == '/';
    char *shown = mem_printf("%s", below ? whole + length + 1 : path);
    free(copy), free(again), free(directory), free(here), free(whole);
    return shown;
}

static int refuse(struct scan *scan, const char *file, const char *why)
{
    buffer_printf(&scan->problem, "%s%s%s %s", scan->shown, *file ? "/" : "", file, why);
    return -1;
}

static int refuse_system(struct scan *scan, const char *file, int error)
{
    char *why = mem_printf("cannot be read: %s", strerror(error));
    refuse(scan, file, why);
    free(why);
    return -1;
}

static int refuse_kind(struct scan *scan, const char *file, const char *kind)
{
    char *why = mem_printf("is %s, not a regular file", kind);
    refuse(scan, file, why);
    free(why);
    return -1;
}

static int add(struct scan *scan, const char *file)
{
    size_t length = strlen(file);
    if (strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789_/") != length - strlen(".lua"))
        return refuse(scan, file,
            "cannot be a handler: its name may hold a-z, 0-9 and _ only (email/welcome.lua is the handler "
            "email.welcome)");
    buffer_append(&scan->files, file, length + 1);
    return 0;
}

static int visit_directory(struct scan *scan, FTS *tree, FTSENT *entry, const char *file, bool lua)
{
    if (entry->fts_level == 1 && strcmp(file, "lib") == 0) {
        fts_set(tree, entry, FTS_SKIP);
        return 0;
    }
    if (lua)
        return refuse_kind(scan, file, "a directory");
    return entry->fts_level > DEEPEST ? refuse(scan, file, "is nested too deep") : 0;
}

static int visit(struct scan *scan, FTS *tree, FTSENT *entry)
{
    const char *file = entry->fts_level ? entry->fts_path + strlen(scan->root) + 1 : "";
    bool lua = entry->fts_namelen >= 4 && strcmp(entry->fts_name + entry->fts_namelen - 4, ".lua") == 0;
    if (entry->fts_level && strchr("._", entry->fts_name[0])) {
        fts_set(tree, entry, FTS_SKIP);
        return 0;
    }
    switch (entry->fts_info) {
    case FTS_D: return visit_directory(scan, tree, entry, file, lua);
    case FTS_DP: return 0;
    case FTS_DC: return refuse(scan, file, "is a link to a directory above it");
    case FTS_DNR: return refuse_system(scan, file, entry->fts_errno);
    default: break;
    }
    if (!lua)
        return 0;
    switch (entry->fts_info) {
    case FTS_F: return add(scan, file);
    case FTS_SL:
    case FTS_SLNONE: return refuse_kind(scan, file, "a link to nothing");
    case FTS_NS:
    case FTS_ERR: return refuse_system(scan, file, entry->fts_errno);
    default: return refuse_kind(scan, file, source_kind(entry->fts_statp->st_mode));
    }
}

static int by_name(const FTSENT **one, const FTSENT **other)
{
    return strcmp((*one)->fts_name, (*other)->fts_name);
}

static int walk(struct scan *scan)
{
    char *const roots[] = {scan->root, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    FTSENT *entry;
    int result = 0;
    while (tree && result == 0 && (errno = 0, entry = fts_read(tree)))
        result = visit(scan, tree, entry);
    if (result == 0 && errno)
        result = refuse_system(scan, "", errno);
    if (tree)
        fts_close(tree);
    return result;
}

int scan_jobs(struct scan *scan, const char *path)
{
    struct stat about;
    scan->shown = shown_path(path);
    scan->root = realpath(path, NULL);
    if (!scan->root || stat(scan->root, &about) < 0)
        buffer_printf(&scan->problem, "the jobs directory %s cannot be read: %s", path, strerror(errno));
    else if (!S_ISDIR(about.st_mode))
        buffer_printf(&scan->problem, "the jobs directory %s is no directory", path);
    else
        return walk(scan);
    return -1;
}

void scan_free(struct scan *scan)
{
    free(scan->root);
    free(scan->shown);
    buffer_free(&scan->files);
    buffer_free(&scan->problem);
}
