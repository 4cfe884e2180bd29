#ifndef LUNASTALK_CONFIG_NODE_H
#define LUNASTALK_CONFIG_NODE_H
/*
 * A YAML document as a tree in which every node knows its place; <yaml.h> appears in node.c only. The subset is what a
 * configuration needs: one document, at most 16 levels, no anchors, aliases, tags, merge keys or duplicate keys.
 */
#include "config/arena.h"
#include "config/problems.h"

#include <stdbool.h>
#include <stddef.h>

enum { NODE_DEPTH = 16 };

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

struct node {
    enum node_kind kind;
    bool plain;        // a scalar without quotes: it may be null, a boolean or a number
    bool given;        // the whole value of a variable or a flag, which is not YAML until the option asks for it
    const char *text;  // of a scalar, NUL-terminated
    size_t size;       // bytes of `text`, which may hold NULs
    const char *place; // "config.yml:3:12", "LUNASTALK_WORKER_NAME", "--name"
    struct node *key;  // in a mapping: the scalar before it
    struct node *first, *next;
    size_t count; // children
    size_t index; // among the children of its parent, from 0
};

/*
 * Parses all of `bytes`; any bytes will do. Places read "source:line:column", or just `source` when `lines` is false.
 * NULL when it is no YAML or nested too deep; what else is refused is added to `problems` beside a usable tree. An
 * empty document is a null scalar. Tree and places live in `arena`.
 */
struct node *node_parse(
    struct arena *arena, struct problems *problems, const char *source, bool lines, const char *bytes, size_t size);
/* A value given outside YAML. Borrows both texts. */
struct node *node_given(struct arena *arena, const char *text, const char *place);

#endif
