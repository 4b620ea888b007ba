/* SPDX-License-Identifier: Apache-2.0
 *
 * tally.c -- see tally.h.
 */
#include "tally.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void raise(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

bool tally_init(struct tally *tally, uint32_t table_max)
{
    memset(tally, 0, sizeof *tally);
    (void)snprintf(tally->other.table, sizeof tally->other.table, "other");
    tally->table_max = table_max;
    if (table_max == 0)
        return true;
    tally->tables = calloc(table_max, sizeof *tally->tables);
    tally->known = calloc(TALLY_KNOWN, sizeof *tally->known);
    return tally->tables && tally->known;
}

void tally_fini(struct tally *tally)
{
    free(tally->tables);
    free(tally->known);
    tally->tables = NULL;
    tally->known = NULL;
}

/* Printable and valid; cut between characters. */
static void clean(char *out, leat_bytes name)
{
    const unsigned char *at = (const unsigned char *)name.ptr, *end = at + name.len;
    size_t length = 0;

    while (at < end) {
        size_t take = *at < 0x80 ? 1 : utf8_sequence(at, end);
        bool control = *at < 0x20 || *at == 0x7f || (take == 2 && *at == 0xc2 && at[1] < 0xa0);
        if (length + (take ? take : 1) >= TALLY_NAME)
            break;
        if (take == 0 || control)
            out[length++] = '?';
        else
            memcpy(out + length, at, take);
        length += take && !control ? take : 0;
        at += take ? take : 1;
    }
    out[length] = '\0';
}

/* The table's entry, a new one where there is none and room. */
static struct tally_table *entry_of(struct tally *tally, const leat_relation *relation)
{
    uint32_t count = atomic_load_explicit(&tally->table_count, memory_order_relaxed);
    char schema[TALLY_NAME], table[TALLY_NAME];
    struct tally_table *entry;

    clean(schema, relation->schema);
    clean(table, relation->table);
    for (uint32_t i = 0; i < count; i++) {
        entry = &tally->tables[i];
        if (strcmp(entry->schema, schema) == 0 && strcmp(entry->table, table) == 0)
            return entry;
    }
    if (count == tally->table_max)
        return &tally->other;
    entry = &tally->tables[count];
    memcpy(entry->schema, schema, sizeof schema);
    memcpy(entry->table, table, sizeof table);
    atomic_store_explicit(&tally->table_count, count + 1, memory_order_release);
    return entry;
}

/* One place for each id, taken by whoever comes last: a table that lost it is looked up again. */
static struct tally_table *find(struct tally *tally, const leat_relation *relation)
{
    struct tally_known *known;

    if (!relation || tally->table_max == 0)
        return &tally->other;
    known = &tally->known[relation->id & (TALLY_KNOWN - 1)];
    if (known->id != relation->id)
        *known = (struct tally_known){relation->id, entry_of(tally, relation)};
    return known->entry;
}

static void add_run(struct tally *tally, const leat_relation *relation, uint64_t changes,
                    uint64_t bytes)
{
    struct tally_table *entry = find(tally, relation);

    raise(&entry->changes, changes);
    raise(&entry->bytes, bytes);
}

void tally_add(struct tally *tally, const leat_change *first)
{
    uint64_t operations[TALLY_OPERATIONS] = {0};
    const leat_change *change = first;

    while (change) {
        const leat_relation *relation = change->relation;
        uint64_t changes = 0, bytes = 0;
        for (; change && change->relation == relation; change = change->next) {
            changes++;
            bytes += change->bytes;
            operations[change->op < TALLY_OPERATIONS ? change->op : 0]++;
        }
        add_run(tally, relation, changes, bytes);
    }
    for (uint32_t i = 0; i < TALLY_OPERATIONS; i++)
        if (operations[i] > 0)
            raise(&tally->operations[i], operations[i]);
}

static void read_one(struct tally_table *from, struct tally_copy *out)
{
    memcpy(out->schema, from->schema, sizeof out->schema);
    memcpy(out->table, from->table, sizeof out->table);
    out->changes = atomic_load_explicit(&from->changes, memory_order_relaxed);
    out->bytes = atomic_load_explicit(&from->bytes, memory_order_relaxed);
}

uint32_t tally_read(struct tally *tally, struct tally_copy *out, uint32_t room)
{
    uint32_t count = atomic_load_explicit(&tally->table_count, memory_order_acquire);

    if (count > room)
        count = room;
    for (uint32_t i = 0; i < count; i++)
        read_one(&tally->tables[i], &out[i]);
    read_one(&tally->other, &out[count]);
    return out[count].changes > 0 ? count + 1 : count;
}
