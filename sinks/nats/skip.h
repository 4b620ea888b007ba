/* SPDX-License-Identifier: Apache-2.0
 *
 * skip.h -- what the stream already holds behind the first gap: ranges of identities that are not
 * sent again.  One sink's, used by its worker.
 *
 * Messages are pipelined, so when one is refused, later ones may be in the stream already.  They
 * are remembered here (or read back from the stream after a lost connection), and when the host
 * offers their records again, they are passed over.  Invariants: sorted by `first`, disjoint;
 * cursor <= count.
 */
#ifndef NATS_SKIP_H
#define NATS_SKIP_H

#include "identity.h"

struct skip {
    struct range *ranges; /* owned: room for SKIP_MAX */
    size_t count, cursor;
    bool overflowed;
};

enum { SKIP_MAX = 40000 };

bool skip_init(struct skip *skip);
void skip_fini(struct skip *skip); /* forgives a zeroed one */
void skip_clear(struct skip *skip);

/* Adds in any order; skip_seal sorts, merges, drops what is not newer than `done`, and starts the
 * cursor over. */
void skip_add(struct skip *skip, struct range range);
void skip_seal(struct skip *skip, leat_identity done);

/* Whether the stream holds it.  Identities are asked for in ascending order between two seals. */
bool skip_holds(struct skip *skip, leat_identity identity);

#endif
