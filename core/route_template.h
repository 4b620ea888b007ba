/* SPDX-License-Identifier: Apache-2.0
 *
 * route_template.h -- one route's template: parsed and checked once [main], expanded for changes
 * [worker].  What names and keys contribute is escaped; see leat_route_rules and route.h.
 *
 * What is checked beside the syntax: where the sink's rules make '.' or '/' a separator (it may
 * stand in the template, but not in a name), no piece between two separators may be empty; where
 * '/' is one, no piece may be "." or ".." either, and that is looked at again in each route,
 * because a sink may allow dots in names.
 */
#ifndef LEAT_ROUTE_TEMPLATE_H
#define LEAT_ROUTE_TEMPLATE_H

#include <leat/plugin.h>

enum route_part_kind {
    ROUTE_LITERAL = 0,
    ROUTE_SCHEMA,
    ROUTE_TABLE,
    ROUTE_OP,
    ROUTE_PREFIX,
    ROUTE_KEY
};

struct route_part {
    enum route_part_kind kind;
    leat_bytes text; /* the literal, {{ and }} already single, or the key's column */
};

struct route_template {
    const leat_route_rules *rules;
    struct route_part *parts;
    size_t part_count;
    char *text;     /* what the parts point into */
    bool by_row;    /* depends on more than relation and op */
    bool has_paths; /* '/' separates */
    bool allowed[256];
};

/* [main] Returns NULL and fills `error` where the template is wrong, *at with the offset in bytes;
 * also without memory.  rules: static. */
struct route_template *route_template_create(const char *text, const leat_route_rules *rules,
                                             char *error, size_t error_size, size_t *at);
void route_template_destroy(struct route_template *route); /* NULL is allowed */

/* A folder's name that leads elsewhere. */
static inline bool route_is_dots(const char *piece, size_t len)
{
    return (len == 1 && piece[0] == '.') || (len == 2 && piece[0] == '.' && piece[1] == '.');
}

/* [worker] In route_expand.c.  Writes the route at dst.  OK, *len is its length; AGAIN: room is too small; EREJECT with
 * *error. */
leat_status route_template_expand(const struct route_template *route, const leat_change *change,
                                  unsigned char *dst, size_t room, size_t *len, leat_error *error);

#endif
