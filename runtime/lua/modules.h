#ifndef LUNASTALK_LUA_MODULES_H
#define LUNASTALK_LUA_MODULES_H
/* The Lua modules of lunastalk/, as text inside the executable: an executor needs no file of its own but itself. */

struct module {
    const char *name; // "lunastalk.log"; NULL ends the list
    const char *start, *end;
};

extern const struct module modules[];
/* NULL when there is none of that name. */
const struct module *modules_find(const char *name);

#endif
