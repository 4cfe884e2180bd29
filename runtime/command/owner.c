#include "command/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool owner_is_root(const char *directory)
{
    struct stat about;
    return geteuid() == 0 && stat(directory, &about) == 0 && about.st_uid == 0;
}

static void set_environment(const struct passwd *user)
{
    setenv("HOME", user->pw_dir, 1);
    setenv("USER", user->pw_name, 1);
    setenv("LOGNAME", user->pw_name, 1);
}

int owner_become(const char *directory, struct error *error)
{
    struct stat about;
    if (geteuid() != 0)
        return 0;
    if (stat(directory, &about) != 0)
        return error_set(error, "cannot look at %s: %s", directory, strerror(errno));
    const struct passwd *user = getpwuid(about.st_uid); // a container may not know him
    gid_t group = user ? user->pw_gid : about.st_gid;
    if ((user ? initgroups(user->pw_name, group) : setgroups(1, &group)) != 0 || setgid(group) != 0 ||
        setuid(about.st_uid) != 0)
        return error_set(
            error, "cannot become user %u, the owner of %s: %s", (unsigned)about.st_uid, directory, strerror(errno));
    if (user)
        set_environment(user);
    return 0;
}
