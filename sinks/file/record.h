/* SPDX-License-Identifier: Apache-2.0
 *
 * record.h -- recognises whole records in the bytes of a segment, fed in pieces of any size.
 *
 * It finds where each record ends and what its identity is ("lsn" and "seq" at its top level), in a
 * few hundred bytes of memory however long a record is.  It does not judge the rest: a record that
 * is closed, has an identity and no byte that no record can have is whole.  Everything fed is
 * hostile.  Pure [any].
 */
#ifndef FILE_RECORD_H
#define FILE_RECORD_H

#include "name.h"

struct record_limits {
    bool known; /* of `durable`: the last identity known to have been made durable */
    bool bounded;
    leat_identity durable;
    leat_identity bound; /* with bounded: records from this identity on do not count */
};

/* Invariant: end <= offset.  All bytes before `end` (counted from the first one fed) belong to
 * whole records that count. */
struct record_scan {
    uint64_t offset, end;
    leat_identity last; /* the highest identity of the records before end; with any */
    bool any;
    bool broken;  /* a record does not count, and so nothing behind it */
    bool beyond;  /* it is broken by a whole record that is not below the bound */
    bool damaged; /* behind a broken one stands a record that was known durable */

    /* The rest is private. */
    struct record_limits limits;
    uint8_t format, state, role, wanted;
    bool has_lsn, has_seq;
    uint8_t text_len, header_len;
    uint32_t depth;
    uint64_t pairs, nested, skip;
    leat_identity identity;
    char text[40];
    uint8_t header[9];
};

void record_init(struct record_scan *scan, uint8_t format, const struct record_limits *limits);
void record_feed(struct record_scan *scan, const void *bytes, size_t len);

/* True when a record has just ended and all so far were whole. */
static inline bool record_at_end(const struct record_scan *scan)
{
    return !scan->broken && scan->end == scan->offset;
}

#endif
