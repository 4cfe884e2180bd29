#include "lua/modules.h"

#include "base/embed.h"

#include <stddef.h>
#include <string.h>

#define OF_HANDLERS(X) X(connection) X(json) X(log) X(queue) X(settings)
#define OF_HOST(X)     X(boot) X(dispatch) X(loader) X(missing) X(numbers) X(options) X(rules) X(text) X(trace)
#define OF_TESTS(X)    X(assertions) X(fakehost) X(sandbox) X(script) X(testing)
#define MODULES(X)     OF_HANDLERS(X) OF_HOST(X) OF_TESTS(X)

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
