/* SPDX-License-Identifier: Apache-2.0
 *
 * path.h -- where a path leads, whether or not something is there yet.  [any]  Reads links, makes
 * nothing.
 */
#ifndef LEAT_PATH_H
#define LEAT_PATH_H

#include <limits.h>
#include <stdbool.h>

/* Absolute, without links, "." and "..", doubled or trailing slashes.  A part that does not exist
 * stays as it is.  False: it would be too long, or its links go round in a circle. */
bool path_resolve(const char *path, char out[PATH_MAX]);

enum path_relation {
    PATH_APART = 0,
    PATH_SAME,
    PATH_INSIDE, /* the first lies below the second */
    PATH_AROUND, /* the second lies below the first */
};

/* Of two that path_resolve gave. */
enum path_relation path_compare(const char *a, const char *b);

#endif
