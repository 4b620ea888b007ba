/* SPDX-License-Identifier: Apache-2.0
 *
 * latest.c -- see the header.  Open addressing, linear probing, no deletion.
 */
#include "latest.h"

#include <stdlib.h>

enum { FIRST_ROOM = 256, FIRST_BYTES = 4096 };

static uint64_t hash_of(leat_bytes key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static struct latest_key *slot_of(const struct latest *latest, leat_bytes key, uint64_t hash)
{
    size_t at = (size_t)hash & (latest->room - 1);
    for (;; at = (at + 1) & (latest->room - 1)) {
        struct latest_key *slot = &latest->table[at];
        if (slot->len == 0 || (slot->hash == hash && slot->len == key.len &&
                               memcmp(latest->bytes + slot->at, key.ptr, key.len) == 0))
            return slot;
    }
}

/* The null value of a deleted row follows its record, under the same key. */
static bool is_behind(struct message_id a, struct message_id b)
{
    int order = leat_identity_compare(a.identity, b.identity);
    return order > 0 || (order == 0 && a.tombstone && !b.tombstone);
}

void latest_clear(struct latest *latest)
{
    free(latest->table);
    free(latest->bytes);
    *latest = (struct latest){0};
}

static bool grow_table(struct latest *latest)
{
    size_t room = latest->room ? latest->room * 2 : FIRST_ROOM;
    struct latest_key *table = calloc(room, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < latest->room; i++) {
        if (latest->table[i].len == 0)
            continue;
        size_t at = (size_t)latest->table[i].hash & (room - 1);
        while (table[at].len)
            at = (at + 1) & (room - 1);
        table[at] = latest->table[i];
    }
    free(latest->table);
    latest->table = table;
    latest->room = room;
    return true;
}

static bool grow_bytes(struct latest *latest, size_t more)
{
    size_t room = latest->bytes_room ? latest->bytes_room : FIRST_BYTES;
    while (room - latest->used < more)
        room *= 2;
    char *bytes = room == latest->bytes_room ? latest->bytes : realloc(latest->bytes, room);
    if (!bytes)
        return false;
    latest->bytes = bytes;
    latest->bytes_room = room;
    return true;
}

bool latest_add(struct latest *latest, leat_bytes key, struct message_id id)
{
    if (key.len == 0)
        return true;
    if (latest->count + 1 > latest->room / 4 * 3 && !grow_table(latest))
        return false;
    uint64_t hash = hash_of(key);
    struct latest_key *slot = slot_of(latest, key, hash);
    if (slot->len) {
        if (is_behind(id, slot->id))
            slot->id = id;
        return true;
    }
    if (!grow_bytes(latest, key.len))
        return false;
    memcpy(latest->bytes + latest->used, key.ptr, key.len);
    *slot = (struct latest_key){hash, latest->used, key.len, id};
    latest->used += key.len;
    latest->count++;
    return true;
}

bool latest_is_behind(const struct latest *latest, leat_bytes key, struct message_id id)
{
    if (latest->count == 0 || key.len == 0)
        return false;
    const struct latest_key *slot = slot_of(latest, key, hash_of(key));
    return slot->len && is_behind(slot->id, id);
}
