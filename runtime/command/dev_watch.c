#include "command/dev_watch.h"

#include "base/memory.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* One directory may be several places: what is watched for in it differs. */
struct dev_watch_place {
    int number;  // inotify's
    char *path;  // of a directory, or of a link to a file
    char *only;  // the one name that matters; NULL: all of the tree
    bool is_top; // the name is that of the jobs directory
};

enum {
    EVENTS = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF,
    DEEPEST = 16,
};

/* What happened to the watched: the tree itself has changed, or a file in it. */
struct finding {
    bool changed, again;
};

static int add(struct dev_watch *watch, struct dev_watch_place place, struct error *error)
{
    place.number = inotify_add_watch(watch->fd, place.path, EVENTS);
    if (place.number < 0 && errno == ENOSPC)
        error_set(error, "cannot watch %s: see fs.inotify.max_user_watches of sysctl", place.path);
    watch->places = mem_resize(watch->places, (watch->count + 1) * sizeof *watch->places);
    watch->places[watch->count++] = place;
    return place.number < 0 && errno == ENOSPC ? -1 : 0; // of what cannot be read the worker complains
}

/* Watches the directory that holds `path` for what becomes of it. */
static int add_above(struct dev_watch *watch, const char *path, bool is_top, struct error *error)
{
    char *copy = mem_copy(path, strlen(path)), *slash;
    while ((slash = strrchr(copy, '/')) != copy && !slash[1])
        *slash = '\0';
    struct dev_watch_place place = {.only = mem_copy(slash + 1, strlen(slash + 1)), .is_top = is_top};
    slash[slash == copy] = '\0';
    place.path = copy;
    return add(watch, place, error);
}

static bool is_handler(const char *name)
{
    size_t size = strlen(name);
    return size >= strlen(".lua") && strcmp(name + size - strlen(".lua"), ".lua") == 0;
}

static bool is_link(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISLNK(about.st_mode);
}

/* A directory, before it is read, so that what is made in it meanwhile is noticed; a file where a link leads to it. */
static bool is_watched(const FTSENT *entry)
{
    return entry->fts_info == FTS_D ||
           (entry->fts_info == FTS_F && is_handler(entry->fts_name) && is_link(entry->fts_path));
}

static int add_tree(struct dev_watch *watch, struct error *error)
{
    char *const roots[] = {(char *)watch->jobs, NULL};
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    int result = 0;
    while (tree && result == 0 && (entry = fts_read(tree))) {
        if (entry->fts_level > DEEPEST || (entry->fts_level && entry->fts_name[0] == '.'))
            fts_set(tree, entry, FTS_SKIP);
        else if (is_watched(entry))
            result = add(watch, (struct dev_watch_place){.path = mem_copy(entry->fts_path, entry->fts_pathlen)}, error);
    }
    if (tree)
        fts_close(tree);
    return result;
}

int dev_watch_open(struct dev_watch *watch, const char *jobs, const char *config, struct error *error)
{
    *watch = (struct dev_watch){.jobs = jobs, .config = config};
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0)
        return error_set(error, "cannot watch files: %s; see fs.inotify.max_user_instances of sysctl", strerror(errno));
    if (add_above(watch, config, false, error) < 0 || add_above(watch, jobs, true, error) < 0)
        return -1;
    return add_tree(watch, error);
}

void dev_watch_close(struct dev_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->places[i].path);
        free(watch->places[i].only);
    }
    free(watch->places);
    if (watch->fd >= 0)
        close(watch->fd);
    *watch = (struct dev_watch){.fd = -1};
}

/* A new regular file matters once it is closed, what is linked at once. */
static bool is_being_written(const struct dev_watch_place *place, const struct inotify_event *event)
{
    struct stat about;
    char *path = mem_printf("%s/%s", place->path, event->name);
    bool regular = lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1;
    free(path);
    return (event->mask & IN_CREATE) && regular;
}

static void look(const struct dev_watch_place *place, const struct inotify_event *event, struct finding *finding)
{
    if (!event->len) { // about the place itself
        finding->again = finding->again || is_link(place->path);
        finding->changed = finding->changed || finding->again;
        return;
    }
    if (event->name[0] == '.')
        return;
    if (place->only) {
        if (strcmp(place->only, event->name) != 0 || is_being_written(place, event))
            return;
        finding->changed = true;
        finding->again = finding->again || place->is_top;
    } else if (event->mask & IN_ISDIR) {
        finding->changed = finding->again = true;
    } else if (is_handler(event->name) && !is_being_written(place, event)) {
        finding->changed = true;
        finding->again = finding->again || (event->mask & (IN_CREATE | IN_MOVED_TO)); // it may be a link
    }
}

static void look_everywhere(struct dev_watch *watch, const struct inotify_event *event, struct finding *finding)
{
    if (event->mask & IN_Q_OVERFLOW)
        finding->changed = finding->again = true;
    for (size_t i = 0; i < watch->count; i++)
        if (watch->places[i].number == event->wd)
            look(&watch->places[i], event, finding);
}

int dev_watch_read(struct dev_watch *watch, struct error *error)
{
    char bytes[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct finding finding = {false, false};
    ssize_t size;
    while ((size = read(watch->fd, bytes, sizeof bytes)) > 0)
        for (const char *at = bytes; at < bytes + size;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            look_everywhere(watch, event, &finding);
            at += sizeof *event + event->len;
        }
    if (finding.again) {
        const char *jobs = watch->jobs, *config = watch->config;
        dev_watch_close(watch);
        if (dev_watch_open(watch, jobs, config, error) < 0)
            return -1;
    }
    return finding.changed;
}
