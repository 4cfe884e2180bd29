#include "lua/modules.h"

#include "base/embed.h"

#include <stddef.h>
#include <string.h>

#define OF_JOBS(X)                                                                                                     \
    X(boot)                                                                                                            \
    X(connection)                                                                                                      \
    X(dispatch) X(json) X(loader) X(log) X(missing) X(numbers) X(options) X(queue) X(settings) X(text) X(trace)
#define OF_TESTS(X) X(assertions) X(fakehost) X(sandbox) X(script) X(testing)
#define MODULES(X)  OF_JOBS(X) OF_TESTS(X)

#define FILE_OF(name) EMBED(module_##name, "runtime/lua/lunastalk/" #name ".lua")
MODULES(FILE_OF)

#define ENTRY(name) {"lunastalk." #name, module_##name, module_##name##_end},
const struct module modules[] = {MODULES(ENTRY){NULL, NULL, NULL}};

const struct module *modules_find(const char *name)
{
    for (const struct module *module = modules; module->name; module++)
        if (strcmp(module->name, name) == 0)
            return module;
    return NULL;
}
