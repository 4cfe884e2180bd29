#include "lua/scratch.h"

#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SHORT_NS = 50 * 1000, // nobody makes a file and is done in less
    UNTOUCHED = 1,        // mtime in seconds that an empty directory gets: whatever is made in it changes that
};

static bool touched(const struct scratch *scratch)
{
    struct stat about;
    return stat(scratch->path, &about) != 0 || about.st_mtim.tv_sec != UNTOUCHED;
}

static void mark(const struct scratch *scratch)
{
    const struct timespec times[2] = {{.tv_sec = UNTOUCHED}, {.tv_sec = UNTOUCHED}};
    utimensat(AT_FDCWD, scratch->path, times, 0);
}

void scratch_open(struct scratch *scratch, const char *path)
{
    snprintf(scratch->path, sizeof scratch->path, "%s", path);
    if (!*path)
        return;
    setenv("TMPDIR", path, 1);
    mark(scratch);
}

void scratch_idle(struct scratch *scratch)
{
    if (scratch->looked || !*scratch->path)
        return;
    scratch->looked = true;
    if (!touched(scratch))
        return;
    files_remove(scratch->path, false);
    mark(scratch);
}

void scratch_after(struct scratch *scratch, uint64_t spent_ns)
{
    scratch->looked = false;
    if (spent_ns >= SHORT_NS)
        scratch_idle(scratch);
}

static int name(const struct scratch *scratch, const char *pattern, char *made)
{
    if (!*scratch->path) {
        errno = ENOENT;
        return -1;
    }
    return snprintf(made, PATH_MAX, "%s/%s", scratch->path, pattern) < PATH_MAX ? 0 : -1;
}

int scratch_directory(const struct scratch *scratch, char *made)
{
    return name(scratch, "job-XXXXXX", made) == 0 && mkdtemp(made) ? 0 : -1;
}

int scratch_file(const struct scratch *scratch, char *made)
{
    int fd = name(scratch, "lua-XXXXXX", made) == 0 ? mkostemp(made, 0) : -1;
    return fd < 0 ? -1 : close(fd);
}
