#ifndef LUNASTALK_CONFIG_SCHEMA_H
#define LUNASTALK_CONFIG_SCHEMA_H
/*
 * The table of every option, and how a tree of nodes is read into a struct by such a table. An option's type reads a
 * node into the struct, refusing what does not fit, and prints it back. Nodes come from config.yml, from a variable,
 * from a flag or from the table's own default: all are read by the same functions.
 */
#include "config/config.h"
#include "config/node.h"

struct reading {
    struct arena *arena;
    struct problems *problems;
    const char *directory; // absolute; relative paths begin here
};

struct option;

struct type {
    /* Sets the option's member in the struct at `base`; false when refused (and said so). */
    bool (*read)(struct reading *reading, const struct option *option, const struct node *node, void *base);
    /* Appends the value as YAML on one line. NULL: the option only sets what another one prints. */
    void (*print)(struct buffer *out, const struct option *option, const void *base);
};

struct option {
    const char *path; // keys joined by dots
    const struct type *type;
    size_t member;        // its offset
    const char *initial;  // the default, as a variable would give it; NULL: the zero that is there
    unsigned least, most; // of a number, a duration in the unit of its member, or the elements of a list
    bool (*accepts)(const char *text);
    const char *expected; // finishes "must be …", for what `accepts` refuses
    size_t counter;       // offset of a list's count
    bool repeats;         // a flag that may be given several times, once per element
};

static inline void *schema_member(const struct option *option, void *base)
{
    return (char *)base + option->member;
}

static inline const void *schema_const_member(const struct option *option, const void *base)
{
    return (const char *)base + option->member;
}

struct schema {
    const struct option *options;
    size_t count;
};

enum { SCHEMA_OPTIONS = 36 };

/* What config_load() makes. The table's offsets are those of struct config, its first member. */
struct loaded {
    struct config config;
    struct arena arena;
    char *const *environment; // as it was loaded, for config_again()
    const struct config_flag *flags;
    size_t flag_count;
    const char *origins[SCHEMA_OPTIONS]; // places, in the order of the table
};

extern const struct schema schema;

/* Reads one node; the place of what was set goes to origins[], unless that is NULL. */
void schema_read_option(struct reading *reading, const struct schema *table, const struct option *option,
    const struct node *node, void *base, const char **origins);
/* Reads a mapping whose keys stand below `prefix` ("" at the top) in the table. Null reads as an empty mapping. */
void schema_read(struct reading *reading, const struct schema *table, const char *prefix, const struct node *mapping,
    void *base, const char **origins);
/* Adds "SUBJECT must be EXPECTED, not WHAT WAS FOUND"; false, so that refusing reads `return schema_refuse(…)`. */
bool schema_refuse(struct reading *reading, const struct node *node, const char *subject, const char *expected);
/*
 * A value that is YAML by nature, such as a list of mappings: parses one given by a variable or a flag, and returns any
 * other as it is. NULL when it is no YAML (and said so).
 */
const struct node *schema_unfold(struct reading *reading, const struct node *node);

#endif
