/* SPDX-License-Identifier: Apache-2.0
 *
 * held.c -- see the header.  Open addressing, linear probing, no deletion.
 */
#include "held.h"

#include <stdlib.h>

static bool same(struct message_id a, struct message_id b)
{
    return leat_identity_compare(a.identity, b.identity) == 0 && a.tombstone == b.tombstone;
}

static size_t slot_of(const struct held *held, struct message_id id)
{
    uint64_t h = id.identity.position * 0x9e3779b97f4a7c15u;
    h ^= ((uint64_t)id.identity.seq * 2 + id.tombstone) * 0xc2b2ae3d27d4eb4fu;
    h ^= h >> 29;
    size_t at = (size_t)h & (held->room - 1);
    while (held->table[at].identity.seq != INT64_MIN && !same(held->table[at], id))
        at = (at + 1) & (held->room - 1);
    return at;
}

void held_clear(struct held *held)
{
    free(held->table);
    *held = (struct held){0};
}

static bool grow(struct held *held)
{
    struct held bigger = {.room = held->room ? held->room * 2 : 256, .count = held->count};
    bigger.newest = held->newest;
    bigger.table = malloc(bigger.room * sizeof *bigger.table);
    if (!bigger.table)
        return false;
    for (size_t i = 0; i < bigger.room; i++)
        bigger.table[i].identity = (leat_identity){0, INT64_MIN};
    for (size_t i = 0; i < held->room; i++)
        if (held->table[i].identity.seq != INT64_MIN)
            bigger.table[slot_of(&bigger, held->table[i])] = held->table[i];
    free(held->table);
    *held = bigger;
    return true;
}

bool held_add(struct held *held, struct message_id id)
{
    if (held->count + 1 > held->room / 4 * 3 && !grow(held))
        return false;
    size_t at = slot_of(held, id);
    if (held->table[at].identity.seq == INT64_MIN) {
        held->table[at] = id;
        if (held->count++ == 0 || leat_identity_compare(id.identity, held->newest) > 0)
            held->newest = id.identity;
    }
    return true;
}

bool held_has(const struct held *held, struct message_id id)
{
    return held->count && held->table[slot_of(held, id)].identity.seq != INT64_MIN;
}
