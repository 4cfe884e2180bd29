#include "config/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int read_file(char secret[SECRET_ROOM], const char *option, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(secret, 1, SECRET_ROOM - 1, file) : 0;
    bool failed = !file || ferror(file);
    int fault = errno;
    if (file)
        fclose(file);
    if (failed)
        return error_set(error, "%s_file %s cannot be read: %s", option, path, strerror(fault));
    secret[size] = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    if (strlen(secret) == SECRET_ROOM - 1)
        return error_set(error, "%s_file %s holds more than a key", option, path);
    return 0;
}

int secret_read(char secret[SECRET_ROOM], const char *option, const char *text, const char *file, struct error *error)
{
    if (text && file)
        return error_set(error, "%s and %s_file are both set: one is enough", option, option);
    if (file)
        return read_file(secret, option, file, error);
    snprintf(secret, SECRET_ROOM, "%s", text ? text : "");
    return 0;
}
