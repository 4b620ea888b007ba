/* SPDX-License-Identifier: Apache-2.0
 *
 * latest.h -- the newest message of each key that a topic was found to hold.  [worker]
 *
 * Compaction and retention take records of ours off a topic while newer ones of the same key stay.
 * Those are not in `held`, and to send them again would put an old value behind a new one, for good
 * on a compacted topic.  A producer sends the records of a key in order to one partition, so a newer
 * one of that key says that the older one had arrived.  Keys are compared byte by byte.
 * Invariant: the table's room is a power of two and at most three quarters of it are used.
 */
#ifndef KAFKA_LATEST_H
#define KAFKA_LATEST_H

#include "identity.h"

struct latest_key {
    uint64_t hash;
    size_t at, len; /* of the key in `bytes`; len 0: an empty slot */
    struct message_id id;
};

struct latest {
    struct latest_key *table; /* owned */
    size_t room, count;
    char *bytes; /* owned; the keys, one behind the other */
    size_t used, bytes_room;
};

void latest_clear(struct latest *latest); /* frees; zeroed is empty */
/* A message under that key; the key is copied.  False: no memory. */
bool latest_add(struct latest *latest, leat_bytes key, struct message_id id);
/* One behind this message is known under that key. */
bool latest_is_behind(const struct latest *latest, leat_bytes key, struct message_id id);

#endif
