/* SPDX-License-Identifier: Apache-2.0
 *
 * tally.h -- what was published, by table and by operation.
 *
 * The source thread counts a batch when it publishes it [source]; any thread reads.  A change costs
 * one addition on the stack: only where the relation changes, and at the batch's end, are the
 * shared counters touched.  Bounded: so many tables as the option says have counters of their own,
 * all others share one.  A new table's name is copied once, cut to TALLY_NAME, with everything that
 * is not printable UTF-8 replaced; tables whose names are equal then share a counter.
 *
 * Invariants: entry_count only grows and is stored (release) when the entry's names are there; an
 * entry's names never change after that.
 */
#ifndef LEAT_TALLY_H
#define LEAT_TALLY_H

#include <leat/plugin.h>

#include <stdatomic.h>

#define TALLY_NAME 96
#define TALLY_OPERATIONS ((uint32_t)LEAT_READ + 1)
#define TALLY_KNOWN 1024u /* a power of two */
#define TALLY_TABLES_MAX 1000

struct tally_table {
    char schema[TALLY_NAME], table[TALLY_NAME];
    _Atomic uint64_t changes, bytes;
};

struct tally_known { /* of which relation version the source thread knows the entry */
    uint64_t id;     /* 0: free */
    struct tally_table *entry;
};

struct tally {
    struct tally_table *tables; /* table_max of them */
    uint32_t table_max;
    _Atomic uint32_t table_count;
    struct tally_table other; /* what found no place, and messages */
    _Atomic uint64_t operations[TALLY_OPERATIONS];
    struct tally_known *known; /* TALLY_KNOWN of them, the source thread's own */
};

/* [main] table_max 0: nothing by table.  False: no memory. */
bool tally_init(struct tally *tally, uint32_t table_max);
void tally_fini(struct tally *tally);

/* [source] Counts a list of changes; NULL is none. */
void tally_add(struct tally *tally, const leat_change *first);

/* What a reader takes away. */
struct tally_copy {
    char schema[TALLY_NAME], table[TALLY_NAME];
    uint64_t changes, bytes;
};

/* [any] At most `room` tables, and behind them the others ("", "other") where anything was counted
 * there; returns how many were written, at most room + 1. */
uint32_t tally_read(struct tally *tally, struct tally_copy *out, uint32_t room);

#endif
