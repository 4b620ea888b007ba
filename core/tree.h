/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h -- a YAML text as a tree of nodes that know where they stood.  [main]
 *
 * The tree knows nothing of options: it refuses only what no file of ours may hold (a second
 * document, anchors and aliases, merge keys, tags, keys that are not plain names, duplicate keys,
 * NUL bytes, anything too deep or too large), so that what reads it needs no such cases.
 */
#ifndef LEAT_TREE_H
#define LEAT_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct problems;
struct region;

#define TREE_TEXT_MAX (1024u * 1024u) /* bytes of a file */
#define TREE_NODES_MAX 65536u
#define TREE_MEMBERS_MAX 4096u /* of one mapping: the search for duplicates is quadratic */
#define TREE_DEPTH_MAX 32u

enum tree_kind { TREE_SCALAR = 0, TREE_SEQUENCE, TREE_MAPPING };

/* Children hang in a list, in the file's order.  A mapping's children are its values, each with
 * its key; no two have the same key text.  Everything is owned by the region. */
struct tree_node {
    enum tree_kind kind;
    bool quoted;      /* a scalar that no rule of YAML may take for null, true or a number */
    bool verbatim;    /* byte i of text stands in the file at column + (quoted ? 1 : 0) + i */
    bool broken;      /* reported already: to be passed over in silence */
    int line, column; /* from 1 */
    const char *text; /* of a scalar; without a NUL inside */
    size_t count;     /* of children */
    struct tree_node *first, *next;
    const struct tree_node *key; /* of a mapping's child, else NULL */
};

/* The root, or NULL when the text is no YAML or empty; then, and for every lesser fault, there are
 * problems.  Faults that leave a tree behind are reported and the tree is given all the same. */
struct tree_node *tree_load(const char *text, size_t len, struct region *region,
                            struct problems *problems);

/* The child of that key, or NULL.  "batch.size" goes down through mappings. */
const struct tree_node *tree_find(const struct tree_node *mapping, const char *dotted);

/* A plain scalar that means "nothing": empty, ~ or null. */
bool tree_is_null(const struct tree_node *node);

#endif
