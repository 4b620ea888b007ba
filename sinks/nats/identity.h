/* SPDX-License-Identifier: Apache-2.0
 *
 * identity.h -- the identities of records as they stand in message headers.  [any]
 *
 * A message carries the identity of its last record in Nats-Msg-Id or leat-id, written
 * "<namespace>:<hex>/<hex>:<seq>", and, when it packs several, that of the first in leat-first.
 */
#ifndef NATS_IDENTITY_H
#define NATS_IDENTITY_H

#include <leat/plugin.h>

#define HEADER_ID "leat-id"
#define HEADER_MSG_ID "Nats-Msg-Id"
#define HEADER_FIRST "leat-first"
#define HEADER_COUNT "leat-count"
#define HEADER_PART "leat-part"

struct range { /* what one message holds, both ends included */
    leat_identity first, last;
};

/* False when it is not of this namespace, or no identity at all. */
bool identity_parse(leat_bytes id, const char *name_space, leat_identity *identity);

/* What the message with these headers holds of ours.  False: nothing. */
bool identity_of_headers(leat_bytes headers, const char *name_space, struct range *range);

#endif
