#ifndef LUNASTALK_CONFIG_OVERRIDES_H
#define LUNASTALK_CONFIG_OVERRIDES_H
/* What stands above config.yml: LUNASTALK_… variables, and above these the flags. Both name options of the one table.
 */
#include "config/schema.h"

/* The value of a variable, or NULL when it is unset or empty. */
const char *overrides_variable(char *const *environment, const char *name);
/* LUNASTALK_ and the path in capitals, its dots as _. */
void overrides_environment(struct reading *reading, char *const *environment, struct loaded *loaded);
void overrides_flags(struct reading *reading, const struct config_flag *flags, size_t count, struct loaded *loaded);

#endif
