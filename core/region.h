/* SPDX-License-Identifier: Apache-2.0
 *
 * region.h -- memory with one lifetime: what a configuration is made of.  [main]
 *
 * Everything taken from a region dies with it; there are no single frees.  Running out of memory
 * here happens before any work has begun, so it ends the process with a line (exit 70) instead of
 * being handed up.  Never used on the data path.
 */
#ifndef LEAT_REGION_H
#define LEAT_REGION_H

#include <stddef.h>

struct region_piece;

struct region { /* all zero is an empty one */
    struct region_piece *pieces;
};

/* Zeroed, aligned for anything, never NULL.  Owned by the region. */
void *region_take(struct region *region, size_t size);

/* A NUL-terminated copy of len bytes. */
char *region_text(struct region *region, const char *text, size_t len);

/* printf into the region. */
char *region_print(struct region *region, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Frees everything; the region is empty then and may be used again. */
void region_fini(struct region *region);

#endif
