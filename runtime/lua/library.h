#ifndef LUNASTALK_LUA_LIBRARY_H
#define LUNASTALK_LUA_LIBRARY_H
/* The modules in lib/ of the jobs directory, for the one that asks for a name that is none. */

/*
 * The module below `root`/lib whose name is closest to `name` ("pdf.page" is pdf/page.lua or pdf/page/init.lua), or NULL
 * when none is close. The caller frees it.
 */
char *library_suggest(const char *root, const char *name);

#endif
