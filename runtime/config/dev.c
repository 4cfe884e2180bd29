#include "config/dev.h"

#include "base/json.h"
#include "base/memory.h"
#include "config/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK   DEV_DIRECTORY "/lock"
#define STATE  DEV_DIRECTORY "/dev.json"
#define COMING DEV_DIRECTORY "/dev.json.new"

enum { LARGEST = 4096, DEPTH = 2 };

/* ---- reading ---- */

/* A stranger's file in a directory above, /tmp say, shall not lead anybody's jobs to him. Root works in all projects. */
static bool is_trusted(int fd, const char *directory)
{
    struct stat file, project;
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
        return false;
    if (file.st_uid == geteuid())
        return true;
    return geteuid() == 0 && stat(directory, &project) == 0 && file.st_uid == project.st_uid;
}

static int open_file(const char *directory, const char *name)
{
    char *path = mem_printf("%s/%s", directory, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(path);
    if (fd < 0 || is_trusted(fd, directory))
        return fd;
    close(fd);
    return -1;
}

static bool is_locked(const char *directory)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open_file(directory, LOCK);
    if (fd < 0)
        return false;
    bool locked = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return locked;
}

static bool read_address(const struct json *state, const char *key, char address[DEV_ADDRESS])
{
    size_t size;
    const char *text = json_as_text(json_member(state, key), &size);
    if (!text || size >= DEV_ADDRESS || !rules_server(text))
        return false;
    memcpy(address, text, size + 1);
    return true;
}

static bool read_state(int fd, struct dev *dev)
{
    char bytes[LARGEST];
    struct error error;
    ssize_t size = read(fd, bytes, sizeof bytes);
    struct json *state = size > 0 ? json_parse(bytes, (size_t)size, DEPTH, &error) : NULL;
    dev->pid = json_as_integer(json_member(state, "pid"), 0);
    bool good = read_address(state, "beanstalkd", dev->beanstalkd) && read_address(state, "redis", dev->redis);
    json_free(state);
    return good;
}

bool dev_find(const char *directory, struct dev *dev)
{
    if (!is_locked(directory))
        return false;
    int fd = open_file(directory, STATE);
    bool found = fd >= 0 && read_state(fd, dev);
    if (fd >= 0)
        close(fd);
    return found;
}

char *dev_above(void)
{
    struct dev dev;
    char *directory = get_current_dir_name(), *slash;
    while (directory && !dev_find(directory, &dev)) {
        slash = strrchr(directory, '/');
        if (slash && slash[1]) {
            slash[slash == directory] = '\0'; // "/" is the last
        } else {
            free(directory);
            directory = NULL;
        }
    }
    return directory;
}

/* ---- writing ---- */

/* For an error text: what the one that lives says of itself. */
static int refuse(struct error *error)
{
    struct dev dev;
    if (dev_find(".", &dev))
        return error_set(error, "one lives in this project already: pid %lld, beanstalkd %s, Redis %s",
            (long long)dev.pid, dev.beanstalkd, dev.redis);
    return error_set(error, "another one is starting in this project");
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -1;
    ssize_t size = (ssize_t)strlen(text), written = write(fd, text, (size_t)size);
    close(fd);
    return written == size ? 0 : -1;
}

int dev_claim(struct error *error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if ((mkdir(DEV_DIRECTORY, S_IRWXU) != 0 && errno != EEXIST) || write_file(DEV_DIRECTORY "/.gitignore", "*\n") < 0)
        return error_set(error, "cannot write in " DEV_DIRECTORY "/: %s", strerror(errno));
    int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return error_set(error, "cannot open " LOCK ": %s", strerror(errno));
    // Of the open file: with a lock of the process, the first look at it from here, dev_find(), would give it up.
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        int why = errno;
        close(fd);
        return why == EAGAIN || why == EACCES ? refuse(error)
                                              : error_set(error, "cannot lock " LOCK ": %s", strerror(why));
    }
    dev_withdraw(); // of one that was killed
    return 0;       // `fd` is closed when the process ends
}

int dev_publish(const struct dev *dev, struct error *error)
{
    char *text = mem_printf(
        "{\"pid\":%lld,\"beanstalkd\":\"%s\",\"redis\":\"%s\"}\n", (long long)dev->pid, dev->beanstalkd, dev->redis);
    int result = write_file(COMING, text);
    free(text);
    if (result < 0 || rename(COMING, STATE) != 0)
        return error_set(error, "cannot write " STATE ": %s", strerror(errno));
    return 0;
}

void dev_withdraw(void)
{
    unlink(STATE);
}
