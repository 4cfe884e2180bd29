#include "command/binary.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int binary_executor(const char *command, char path[PATH_MAX])
{
    char own[PATH_MAX - sizeof "/../lib/lunastalk/lunastalk-executor"];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    snprintf(path, PATH_MAX, "%s-executor", own);
    if (access(path, X_OK) == 0)
        return 0;
    char *slash = strrchr(own, '/');
    if (slash)
        *slash = '\0';
    snprintf(path, PATH_MAX, "%s/../lib/lunastalk/lunastalk-executor", own);
    if (access(path, X_OK) == 0)
        return 0;
    fprintf(stderr, "lunastalk %s: there is no %s: both binaries of a build belong together (make install)\n", command,
        path);
    return -1;
}
