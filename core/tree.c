/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.c -- the finished tree.  See tree.h; what makes it is in tree_load.c.
 */
#include "tree.h"

#include <string.h>

const struct tree_node *tree_find(const struct tree_node *mapping, const char *dotted)
{
    while (mapping && mapping->kind == TREE_MAPPING) {
        size_t len = strcspn(dotted, ".");
        const struct tree_node *child = mapping->first;
        while (child && (strncmp(child->key->text, dotted, len) != 0 || child->key->text[len]))
            child = child->next;
        if (!dotted[len])
            return child;
        mapping = child;
        dotted += len + 1;
    }
    return NULL;
}

bool tree_is_null(const struct tree_node *node)
{
    return node->kind == TREE_SCALAR && !node->quoted &&
           (!*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}
