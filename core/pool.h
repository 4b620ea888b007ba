/* SPDX-License-Identifier: Apache-2.0
 *
 * pool.h -- a bounded region of memory, handed out in runs of slabs.
 *
 * One thread owns a pool: the source thread the source's, a worker its own.  There is no lock.
 * A pool is one mapping of fixed size, so memory is bounded by construction; pages are touched when
 * they are first used, lowest first, so an idle pool costs next to nothing.  A run longer than one
 * slab serves a row that does not fit into one.
 *
 * Invariant: used == number of set bits of the map; a set bit belongs to exactly one run.
 */
#ifndef LEAT_POOL_H
#define LEAT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
    unsigned char *base;
    uint64_t *map; /* a bit a slab: 1 taken */
    size_t slab_size;
    uint32_t count;
    uint32_t used;
    uint32_t touched; /* slabs below this one may have pages */
    bool locked;
    int fd; /* -1: private.  Else others may map it, and only read */
};

/* [main] False with errno set: no memory, or (lock) RLIMIT_MEMLOCK is too low. */
bool pool_init(struct pool *pool, size_t bytes, size_t slab_size, bool lock);
/* The same, in memory that another process may map to read, at the same address: its pages stay once
 * they are touched. */
bool pool_init_shared(struct pool *pool, size_t bytes, size_t slab_size, bool lock);
void pool_fini(struct pool *pool);

/* [owner] A run of slabs; NULL when there is none now. */
void *pool_take(struct pool *pool, uint32_t slabs);
void pool_give(struct pool *pool, void *run, uint32_t slabs);

/* [owner] Gives the pages of free slabs back to the system.  For idle moments. */
void pool_trim(struct pool *pool);

static inline uint32_t pool_slabs_for(const struct pool *pool, size_t bytes)
{
    return (uint32_t)((bytes + pool->slab_size - 1) / pool->slab_size);
}

static inline size_t pool_bytes(const struct pool *pool)
{
    return pool->slab_size * pool->count;
}

#endif
