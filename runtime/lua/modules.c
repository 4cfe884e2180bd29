#include "lua/modules.h"

#include <stddef.h>
#include <string.h>

#define MODULES(X) X(boot) X(dispatch) X(json) X(loader) X(log) X(options) X(queue) X(settings) X(text)

/* The path is relative to the root of the repository, where make runs. */
#define EMBED(name)                                                                                                    \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".globl module_" #name ", module_" #name "_end\n"                                                          \
            ".hidden module_" #name ", module_" #name "_end\n"                                                         \
            "module_" #name ":\n"                                                                                      \
            ".incbin \"runtime/lua/lunastalk/" #name ".lua\"\n"                                                        \
            "module_" #name "_end:\n"                                                                                  \
            ".popsection\n");                                                                                          \
    extern const char module_##name[] __attribute__((visibility("hidden")));                                           \
    extern const char module_##name##_end[] __attribute__((visibility("hidden")));
MODULES(EMBED)

#define ENTRY(name) {"lunastalk." #name, module_##name, module_##name##_end},
const struct module modules[] = {MODULES(ENTRY){NULL, NULL, NULL}};

const struct module *modules_find(const char *name)
{
    for (const struct module *module = modules; module->name; module++)
        if (strcmp(module->name, name) == 0)
            return module;
    return NULL;
}
