/* SPDX-License-Identifier: Apache-2.0
 *
 * relation_cache.h -- what an encoder prepares once for each relation: its names, ready to copy.
 *
 * Keyed by leat_relation.id, which is never used again; holds copies, never a pointer into a
 * relation.  Bounded: one piece of memory, taken at create, touched as it fills, and forgotten
 * whole when it or the table of entries is full (a name costs microseconds to prepare again).  Only
 * a relation that alone needs more than that makes it allocate.  [worker], but for create and
 * destroy.
 *
 * Invariants: last is NULL or an entry of the table; entry_count <= RELATION_CACHE_ENTRIES.
 */
#ifndef LEAT_RELATION_CACHE_H
#define LEAT_RELATION_CACHE_H

#include <leat/plugin.h>

#define RELATION_CACHE_ENTRIES 4096u
#define RELATION_CACHE_BYTES (4u << 20)

/* A few bytes to copy; BYTES_PAD more may be read behind them. */
struct relation_fragment {
    const unsigned char *ptr;
    size_t len;
};

struct relation_text {
    uint64_t id;
    uint32_t column_count;
    struct relation_fragment head;      /* schema and table, as they stand in a record */
    struct relation_fragment columns[]; /* each column's name, likewise */
};

/* How a format writes names: the end is returned, at most 6 bytes for each byte of a name, and
 * RELATION_NAME_MARGIN more, are written. */
#define RELATION_NAME_MARGIN 64u
struct relation_style {
    unsigned char *(*head)(unsigned char *dst, leat_bytes schema, leat_bytes table);
    unsigned char *(*column)(unsigned char *dst, leat_bytes name);
};

struct relation_cache {
    const struct relation_text *last;
    const struct relation_style *style;
    struct relation_text **table;
    uint32_t entry_count;
    unsigned char *memory;
    size_t size, used;
};

/* [main] NULL: no memory.  style: static. */
struct relation_cache *relation_cache_create(const struct relation_style *style, size_t size);
void relation_cache_destroy(struct relation_cache *cache); /* [main] NULL is allowed */

const struct relation_text *relation_cache_find(struct relation_cache *cache,
                                                const leat_relation *relation);

/* Valid until the next call.  NULL: no memory, for a relation larger than the cache. */
static inline const struct relation_text *relation_cache_get(struct relation_cache *cache,
                                                             const leat_relation *relation)
{
    if (cache->last && cache->last->id == relation->id)
        return cache->last;
    return relation_cache_find(cache, relation);
}

#endif
