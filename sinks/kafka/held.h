/* SPDX-License-Identifier: Apache-2.0
 *
 * held.h -- the set of messages that a topic was found to hold already.  [worker]
 *
 * Filled while a topic is looked at (it grows then), asked for each record after that, and emptied
 * once the stream has passed the newest of them.  Membership is exact, so neither a change of the
 * number of partitions nor one of the partitioner can hide a record or invent one.
 * Invariant: the table's room is a power of two and at most three quarters of it are used.
 */
#ifndef KAFKA_HELD_H
#define KAFKA_HELD_H

#include "identity.h"

struct held {
    struct message_id *table; /* owned; an empty slot has identity.seq == INT64_MIN */
    size_t room, count;
    leat_identity newest;
};

void held_clear(struct held *held);                     /* frees; zeroed is empty */
bool held_add(struct held *held, struct message_id id); /* false: no memory */
bool held_has(const struct held *held, struct message_id id);

#endif
