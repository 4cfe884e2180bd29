#ifndef LUNASTALK_CONFIG_OVERRIDES_H
#define LUNASTALK_CONFIG_OVERRIDES_H
/*
 * What stands above config.yml: a dev that lives in the project, above it LUNASTALK_… variables, and above these the
 * flags. All name options of the one table.
 */
#include "config/dev.h"
#include "config/schema.h"

/* Sets the servers; returns the place that stands for it. */
const char *overrides_dev(struct reading *reading, const struct dev *dev, struct loaded *loaded);
/* After all others: says which servers are the dev's still. Its Redis knows no passwords. */
void overrides_dev_settle(const struct dev *dev, const char *place, struct loaded *loaded);
/* The value of a variable, or NULL when it is unset or empty. */
const char *overrides_variable(char *const *environment, const char *name);
/* LUNASTALK_ and the path in capitals, its dots as _. */
void overrides_environment(struct reading *reading, char *const *environment, struct loaded *loaded);
void overrides_flags(struct reading *reading, const struct config_flag *flags, size_t count, struct loaded *loaded);

#endif
