#include "transfer/library.h"

#include <dlfcn.h>

int library_load(const char *file, const char *const *names, size_t count, void **calls, struct error *error)
{
    void *library = dlopen(file, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return error_set(error, "%s", dlerror());
    for (size_t i = 0; i < count; i++)
        if (!(calls[i] = dlsym(library, names[i])))
            return error_set(error, "%s", dlerror());
    return 0;
}
