/* SPDX-License-Identifier: Apache-2.0
 *
 * batch.h -- the changes and bytes that travel together.
 *
 * A batch is filled by the source thread, then lent, immutable, to every sink's worker at once, and
 * given back by each over its reclaim ring.  `pending` and the memory belong to the source thread
 * alone; a worker reads the writer's list of changes and `bytes`, and nothing else.
 */
#ifndef LEAT_BATCH_H
#define LEAT_BATCH_H

#include "pool.h"

#include <leat/plugin.h>

#include <stdatomic.h>

/* A piece of a pool, chained through its first bytes. */
struct span {
    struct span *next;
    uint32_t slabs;
    uint32_t reserved;
};

#define SPAN_HEADER ((sizeof(struct span) + 15u) & ~(size_t)15u)

/* A growing list of spans with bump allocation in the newest. */
struct span_list {
    struct span *newest;
    size_t slabs;
};

struct batch {
    leat_writer writer; /* what the source plugin sees; first, so that the one is the other */
    struct span_list memory;
    int64_t published_ns; /* for metrics, as are the next two: when it was published */
    int64_t first_commit_us, last_commit_us; /* of its changes' transactions; 0: not known */
    int64_t opened_us;                       /* wall clock: when its first message was there */
    bool ends_transaction;                   /* its last change is its transaction's last */
    size_t bytes;                            /* of the pool that it fills; source thread only */
    uint32_t pending;    /* sinks that have not given it back; source thread only */
    uint32_t sink_count; /* sinks that it was lent to */
    leat_identity last;  /* identity of its last change */
    /* The latest time before which some sink does not call it durable.  A worker raises it before
     * it pushes the batch onto its reclaim ring (which publishes it); the source reads it then. */
    _Atomic int64_t hold_until_ns;
};

static inline struct batch *batch_of(leat_writer *writer)
{
    return (struct batch *)(void *)writer;
}

/* Adds a span with room for `size` bytes and makes it the arena's; false: the pool has none now. */
bool span_list_grow(struct span_list *list, struct pool *pool, leat_arena *arena, size_t size);

/* Gives all spans back. */
void span_list_release(struct span_list *list, struct pool *pool);

/* The largest size that span_list_grow can ever give from this pool. */
static inline size_t span_room_max(const struct pool *pool)
{
    return pool_bytes(pool) - SPAN_HEADER;
}

#endif
