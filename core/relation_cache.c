/* SPDX-License-Identifier: Apache-2.0
 *
 * relation_cache.c -- prepares a relation's names and finds them again.  [worker]
 */
#include "relation_cache.h"

#include "bytes.h"

#include <stdlib.h>

#define TABLE_SIZE (2u * RELATION_CACHE_ENTRIES) /* a power of two, at most half full */

static size_t round16(size_t size)
{
    return (size + 15u) & ~(size_t)15u;
}

static uint32_t slot_of(uint64_t id)
{
    return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (TABLE_SIZE - 1);
}

struct relation_cache *relation_cache_create(const struct relation_style *style, size_t size)
{
    struct relation_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->style = style;
    cache->size = round16(size);
    cache->table = calloc(TABLE_SIZE, sizeof *cache->table);
    cache->memory = malloc(cache->size);
    if (!cache->table || !cache->memory) {
        relation_cache_destroy(cache);
        return NULL;
    }
    return cache;
}

void relation_cache_destroy(struct relation_cache *cache)
{
    if (!cache)
        return;
    free(cache->table);
    free(cache->memory);
    free(cache);
}

static void cache_forget(struct relation_cache *cache)
{
    memset(cache->table, 0, TABLE_SIZE * sizeof *cache->table);
    cache->last = NULL;
    cache->entry_count = 0;
    cache->used = 0;
}

/* What preparing a relation can need at most; what is left of it is given back. */
static size_t text_bound(const leat_relation *relation)
{
    size_t size = sizeof(struct relation_text) + BYTES_PAD;
    size += relation->column_count * sizeof(struct relation_fragment);
    size += 6 * (relation->schema.len + relation->table.len) + RELATION_NAME_MARGIN;
    for (uint32_t i = 0; i < relation->column_count; i++)
        size += 6 * leat_relation_column(relation, i)->name.len + RELATION_NAME_MARGIN;
    return round16(size);
}

/* Makes room for one relation, at the price of all others where it must. */
static bool cache_reserve(struct relation_cache *cache, size_t need)
{
    if (cache->entry_count < RELATION_CACHE_ENTRIES && cache->size - cache->used >= need)
        return true;
    cache_forget(cache);
    if (cache->size >= need)
        return true;
    unsigned char *memory = malloc(need);
    if (!memory)
        return false;
    free(cache->memory);
    cache->memory = memory;
    cache->size = need;
    return true;
}

static struct relation_text *prepare(struct relation_cache *cache, const leat_relation *relation)
{
    struct relation_text *text = (struct relation_text *)(void *)(cache->memory + cache->used);
    unsigned char *at = (unsigned char *)&text->columns[relation->column_count];
    text->id = relation->id;
    text->column_count = relation->column_count;
    text->head.ptr = at;
    at = cache->style->head(at, relation->schema, relation->table);
    text->head.len = (size_t)(at - text->head.ptr);
    for (uint32_t i = 0; i < relation->column_count; i++) {
        text->columns[i].ptr = at;
        at = cache->style->column(at, leat_relation_column(relation, i)->name);
        text->columns[i].len = (size_t)(at - text->columns[i].ptr);
    }
    memset(at, 0, BYTES_PAD);
    cache->used = round16((size_t)(at + BYTES_PAD - cache->memory));
    return text;
}

const struct relation_text *relation_cache_find(struct relation_cache *cache,
                                                const leat_relation *relation)
{
    uint32_t slot = slot_of(relation->id);
    for (; cache->table[slot]; slot = (slot + 1) & (TABLE_SIZE - 1)) {
        if (cache->table[slot]->id == relation->id)
            return cache->last = cache->table[slot];
    }
    if (!cache_reserve(cache, text_bound(relation)))
        return NULL;
    for (slot = slot_of(relation->id); cache->table[slot];)
        slot = (slot + 1) & (TABLE_SIZE - 1);
    cache->table[slot] = prepare(cache, relation);
    cache->entry_count++;
    return cache->last = cache->table[slot];
}
