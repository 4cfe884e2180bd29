#include "worker/temporary.h"

#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ours alone: anybody can make a directory of this name in /tmp before us. */
static int make_private(const char *path, struct error *error)
{
    struct stat about;
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
        return error_set(error, "cannot make %s: %s", path, strerror(errno));
    if (lstat(path, &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != geteuid() ||
        (about.st_mode & (S_IRWXG | S_IRWXO)))
        return error_set(error, "%s is not a directory of ours alone (mode 0700)", path);
    return 0;
}

/* A descriptor that holds the directory's lock, or -1: another process does and `flags` has LOCK_NB. */
static int lock(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | flags) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void remove_left(const char *base)
{
    DIR *directory = opendir(base);
    struct dirent *entry;
    char path[700];
    while (directory && (entry = readdir(directory))) {
        if (*entry->d_name == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        int fd = lock(path, LOCK_NB);
        if (fd < 0)
            continue;
        files_remove(path, true);
        close(fd);
    }
    if (directory)
        closedir(directory);
}

int temporary_open(struct temporary *temporary, const char *instance, struct error *error)
{
    char base[300];
    const char *root = getenv("TMPDIR");
    temporary->lock = -1;
    *temporary->path = '\0';
    if (!root || *root != '/' || strlen(root) > sizeof base - 40)
        root = "/tmp";
    snprintf(base, sizeof base, "%s/lunastalk-%u", root, (unsigned)geteuid());
    if (make_private(base, error) < 0)
        return -1;
    int starting = lock(base, 0); // one at a time: nobody takes our new directory for a dead worker's
    remove_left(base);
    snprintf(temporary->path, sizeof temporary->path, "%s/%d-%.8s", base, (int)getpid(), instance);
    int result = make_private(temporary->path, error);
    if (result == 0 && (temporary->lock = lock(temporary->path, LOCK_NB)) < 0)
        result = error_set(error, "cannot lock %s: %s", temporary->path, strerror(errno));
    close(starting);
    if (result < 0)
        *temporary->path = '\0';
    return result;
}

void temporary_close(struct temporary *temporary)
{
    if (temporary->lock < 0)
        return;
    files_remove(temporary->path, true);
    close(temporary->lock);
}
