/* SPDX-License-Identifier: Apache-2.0
 *
 * option_set.h -- puts one value of the tree where its row says.  [main]
 *
 * Used by options.c alone.
 */
#ifndef LEAT_OPTION_SET_H
#define LEAT_OPTION_SET_H

#include "options.h"

/* A row and where its value goes. */
struct slot {
    const leat_option *row;
    char *into;
    bool seen;
};

/* One mapping that is being read. */
struct filling {
    const struct options_reader *reader;
    struct slot *slots;
    size_t count;
    const char *what;
    unsigned flags;
    struct option_templates *templates; /* NULL: the caller wants none */
};

/* A value that does not fit is reported and leaves the member alone. */
void option_set(const struct filling *filling, const struct slot *slot,
                const struct tree_node *node);

/* The row's default, if it has one. */
void option_set_default(const struct filling *filling, const struct slot *slot);

#endif
