/* SPDX-License-Identifier: Apache-2.0
 *
 * name.h -- the names of segments, and which routes may become folders.  Pure functions [any].
 *
 * A segment is named after the identity of its first record, so that names sort in stream order:
 *
 *     00000000015d5c98-0000000000000004-0000.ndjson[.zst]
 *
 * 16 digits of position, 16 of seq + 1, 4 of a counter, all in lower-case hexadecimal.  seq + 1,
 * because a message outside a transaction has seq -1 and sorts before the transaction of the same
 * position.  The counter tells two segments apart that begin with the same record: the first of
 * them failed and what of it was not durable has been cut off.
 */
#ifndef FILE_NAME_H
#define FILE_NAME_H

#include <leat/plugin.h>

enum { SEGMENT_JSON = 0, SEGMENT_MSGPACK };

enum {
    SEGMENT_NAME_MAX = 56, /* with its NUL */
    ROUTE_MAX = 1000,      /* bytes of a route */
    ROUTE_DEPTH = 8,       /* folders in a route */
    FOLDER_MAX = 255       /* bytes of a folder's name */
};

struct segment_name {
    leat_identity first;
    uint32_t counter;
    uint8_t format; /* SEGMENT_... */
    bool zstd;
};

/* Writes the file name at dst[SEGMENT_NAME_MAX]. */
void name_format(const struct segment_name *name, char *dst);

/* False when it is not the name of a segment, to the letter. */
bool name_parse(const char *file, struct segment_name *name);

/* In stream order: first identity, counter, then the rest, so that it is a total order. */
int name_compare(const struct segment_name *a, const struct segment_name *b);

/* NULL when the route may be used, else what is wrong with it (static). */
const char *route_reject(leat_bytes route);

#endif
