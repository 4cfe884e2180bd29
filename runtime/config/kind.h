#ifndef LUNASTALK_CONFIG_KIND_H
#define LUNASTALK_CONFIG_KIND_H
/* What a node is by the core schema of YAML 1.2: `yes` and `0755` are no surprises, `null`, `true`, `12`, `1.5` are no
 * strings. */
#include "config/node.h"

enum kind { KIND_NULL, KIND_BOOLEAN, KIND_INTEGER, KIND_REAL, KIND_STRING, KIND_LIST, KIND_MAPPING };

enum kind kind_of(const struct node *node);
/* "a list", "true", "the number 65", "'text'": what was found, for messages. Lives in `arena`. */
const char *kind_found(struct arena *arena, const struct node *node);

#endif
