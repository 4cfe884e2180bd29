#include "config/node.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct parsing {
    yaml_parser_t yaml;
    yaml_event_t event; // the current one
    struct arena *arena;
    struct problems *problems;
    const char *source, *bytes;
    bool lines, failed;
};

static const char *place(struct parsing *parsing, size_t line, size_t column)
{
    if (!parsing->lines)
        return parsing->source;
    return arena_printf(parsing->arena, "%s:%zu:%zu", parsing->source, line + 1, column + 1);
}

/* The reader's errors come with an offset instead of a line and a column (which counts characters). */
static const char *place_of_offset(struct parsing *parsing, size_t offset)
{
    size_t line = 0, column = 0;
    for (size_t i = 0; i < offset; i++) {
        bool newline = parsing->bytes[i] == '\n', starts = ((unsigned char)parsing->bytes[i] & 0xc0) != 0x80;
        line += newline;
        column = newline ? 0 : column + starts;
    }
    return place(parsing, line, column);
}

static void explain(struct parsing *parsing)
{
    const yaml_parser_t *yaml = &parsing->yaml;
    const char *where = yaml->error == YAML_READER_ERROR
                            ? place_of_offset(parsing, yaml->problem_offset)
                            : place(parsing, yaml->problem_mark.line, yaml->problem_mark.column);
    problems_add(parsing->problems, where, "not valid YAML: %s%s%s", yaml->problem ? yaml->problem : "out of memory",
        yaml->context ? " " : "", yaml->context ? yaml->context : "");
}

static bool next(struct parsing *parsing)
{
    yaml_event_delete(&parsing->event);
    if (parsing->failed || yaml_parser_parse(&parsing->yaml, &parsing->event))
        return !parsing->failed;
    explain(parsing);
    parsing->failed = true;
    return false;
}

static struct node *new_node(struct parsing *parsing, enum node_kind kind)
{
    struct node *node = arena_new(parsing->arena, sizeof *node);
    yaml_mark_t start = parsing->event.start_mark;
    node->kind = kind;
    node->place = place(parsing, start.line, start.column);
    return node;
}

static void refuse_properties(struct parsing *parsing, const struct node *node, const void *anchor, const void *tag)
{
    if (anchor)
        problems_add(parsing->problems, node->place, "anchors and aliases are not accepted; write the value out");
    if (tag)
        problems_add(parsing->problems, node->place, "tags are not accepted; put text in quotes instead");
}

static struct node *parse_scalar(struct parsing *parsing)
{
    struct node *node = new_node(parsing, NODE_SCALAR);
    node->size = parsing->event.data.scalar.length;
    node->text = arena_copy(parsing->arena, (const char *)parsing->event.data.scalar.value, node->size);
    node->plain = parsing->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    refuse_properties(parsing, node, parsing->event.data.scalar.anchor, parsing->event.data.scalar.tag);
    return node;
}

/* Stands for what is refused anyway. */
static struct node *parse_nothing(struct parsing *parsing)
{
    struct node *node = new_node(parsing, NODE_SCALAR);
    node->text = "";
    node->plain = true;
    return node;
}

static struct node *parse_alias(struct parsing *parsing)
{
    struct node *node = parse_nothing(parsing);
    refuse_properties(parsing, node, node, NULL);
    return node;
}

/* Stops here, because libyaml's scanner takes quadratic time for what may follow. */
static struct node *parse_too_deep(struct parsing *parsing)
{
    struct node *node = parse_nothing(parsing);
    problems_add(parsing->problems, node->place, "nested deeper than %d levels", NODE_DEPTH);
    parsing->failed = true;
    return node;
}

static void refuse_key(struct parsing *parsing, const struct node *key)
{
    if (key->kind != NODE_SCALAR)
        problems_add(parsing->problems, key->place, "a list or a mapping cannot be a key");
    else if (key->plain && strcmp(key->text, "<<") == 0)
        problems_add(parsing->problems, key->place, "merge keys are not accepted; write the keys out");
}

static int compare_keys(const struct node *a, const struct node *b)
{
    size_t shorter = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->text, b->text, shorter);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int compare_members(const void *left, const void *right)
{
    const struct node *a = *(const struct node *const *)left, *b = *(const struct node *const *)right;
    int order = compare_keys(a->key, b->key);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Sorted, because comparing every pair would make 256 KB of keys a matter of seconds. */
static void refuse_duplicates(struct parsing *parsing, const struct node *mapping)
{
    const struct node **sorted = arena_new(parsing->arena, mapping->count * sizeof *sorted);
    size_t count = 0;
    for (const struct node *child = mapping->first; child; child = child->next)
        if (child->key->kind == NODE_SCALAR)
            sorted[count++] = child;
    qsort(sorted, count, sizeof *sorted, compare_members);
    for (size_t i = 1; i < count; i++) {
        const struct node *before = sorted[i - 1]->key, *key = sorted[i]->key;
        if (compare_keys(before, key) == 0)
            problems_add(parsing->problems, key->place, "the key %s is already at %s",
                problems_quote(parsing->arena, key->text, key->size), before->place);
    }
}

static struct node *parse_node(struct parsing *parsing, unsigned depth);

static void parse_children(struct parsing *parsing, struct node *parent, yaml_event_type_t end, unsigned depth)
{
    struct node **last = &parent->first;
    while (next(parsing) && parsing->event.type != end) {
        struct node *key = NULL;
        if (parent->kind == NODE_MAPPING) {
            key = parse_node(parsing, depth);
            if (!next(parsing))
                return;
            refuse_key(parsing, key);
        }
        struct node *child = parse_node(parsing, depth);
        child->key = key;
        child->index = parent->count++;
        *last = child;
        last = &child->next;
    }
}

static struct node *parse_list(struct parsing *parsing, unsigned depth)
{
    struct node *list = new_node(parsing, NODE_LIST);
    refuse_properties(parsing, list, parsing->event.data.sequence_start.anchor, parsing->event.data.sequence_start.tag);
    parse_children(parsing, list, YAML_SEQUENCE_END_EVENT, depth + 1);
    return list;
}

static struct node *parse_mapping(struct parsing *parsing, unsigned depth)
{
    struct node *mapping = new_node(parsing, NODE_MAPPING);
    refuse_properties(
        parsing, mapping, parsing->event.data.mapping_start.anchor, parsing->event.data.mapping_start.tag);
    parse_children(parsing, mapping, YAML_MAPPING_END_EVENT, depth + 1);
    if (!parsing->failed)
        refuse_duplicates(parsing, mapping);
    return mapping;
}

static struct node *parse_node(struct parsing *parsing, unsigned depth)
{
    switch (parsing->event.type) {
    case YAML_ALIAS_EVENT: return parse_alias(parsing);
    case YAML_SCALAR_EVENT: return parse_scalar(parsing);
    default: break;
    }
    if (depth > NODE_DEPTH)
        return parse_too_deep(parsing);
    return parsing->event.type == YAML_MAPPING_START_EVENT ? parse_mapping(parsing, depth) : parse_list(parsing, depth);
}

static struct node *parse_document(struct parsing *parsing)
{
    next(parsing); // the start of the stream
    if (!next(parsing))
        return NULL;
    if (parsing->event.type == YAML_STREAM_END_EVENT)
        return parse_nothing(parsing);
    if (!next(parsing)) // behind the start of the document
        return NULL;
    struct node *root = parse_node(parsing, 1);
    if (!next(parsing) || !next(parsing)) // its end, and what follows
        return NULL;
    if (parsing->event.type != YAML_STREAM_END_EVENT)
        problems_add(parsing->problems, new_node(parsing, NODE_SCALAR)->place, "a second document; one is accepted");
    return root;
}

struct node *node_parse(
    struct arena *arena, struct problems *problems, const char *source, bool lines, const char *bytes, size_t size)
{
    struct parsing parsing = {.arena = arena, .problems = problems, .source = source, .bytes = bytes, .lines = lines};
    if (!yaml_parser_initialize(&parsing.yaml)) {
        problems_add(problems, source, "out of memory");
        return NULL;
    }
    // Set, because libyaml would otherwise take UTF-16 too.
    yaml_parser_set_encoding(&parsing.yaml, YAML_UTF8_ENCODING);
    // libyaml asserts that there is an input, even of no bytes.
    yaml_parser_set_input_string(&parsing.yaml, (const unsigned char *)(size ? bytes : ""), size);
    struct node *root = parse_document(&parsing);
    yaml_event_delete(&parsing.event);
    yaml_parser_delete(&parsing.yaml);
    return root;
}

struct node *node_given(struct arena *arena, const char *text, const char *place)
{
    struct node *node = arena_new(arena, sizeof *node);
    *node = (struct node){.plain = true, .given = true, .text = text, .size = strlen(text), .place = place};
    return node;
}
