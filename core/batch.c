/* SPDX-License-Identifier: Apache-2.0
 *
 * batch.c -- the memory of batches.  See batch.h.  Called by the thread that owns the pool.
 */
#include "batch.h"

#include <assert.h>

bool span_list_grow(struct span_list *list, struct pool *pool, leat_arena *arena, size_t size)
{
    struct span *span;
    uint32_t slabs;

    if (size > span_room_max(pool))
        return false;
    slabs = pool_slabs_for(pool, size + SPAN_HEADER);
    span = pool_take(pool, slabs);
    if (!span)
        return false;
    span->next = list->newest;
    span->slabs = slabs;
    list->newest = span;
    list->slabs += slabs;
    arena->cur = (unsigned char *)span + SPAN_HEADER;
    arena->end = (unsigned char *)span + (size_t)slabs * pool->slab_size;
    return true;
}

void span_list_release(struct span_list *list, struct pool *pool)
{
    while (list->newest) {
        struct span *span = list->newest;
        uint32_t slabs = span->slabs;

        list->newest = span->next;
        assert(list->slabs >= slabs);
        list->slabs -= slabs;
        pool_give(pool, span, slabs);
    }
}
