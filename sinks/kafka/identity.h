/* SPDX-License-Identifier: Apache-2.0
 *
 * identity.h -- the header by which a record on a topic is known again.  [any] Pure functions.
 *
 * `leat-id` is "<namespace>:<lsn>:<seq>" for a message with a value, and the same with "/tombstone"
 * behind it for the null value that belongs to the same change.  What is parsed came off a topic
 * that others write to as well: every byte is checked.
 */
#ifndef KAFKA_IDENTITY_H
#define KAFKA_IDENTITY_H

#include <leat/plugin.h>

#define KAFKA_ID_HEADER "leat-id"
#define KAFKA_TOMBSTONE_SUFFIX "/tombstone"

struct message_id {
    leat_identity identity;
    bool tombstone;
};

/* False unless text is an id in this name space, in the very form that the core writes. */
bool message_id_parse(const char *text, size_t len, const char *name_space, struct message_id *out);

#endif
