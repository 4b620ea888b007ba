/* SPDX-License-Identifier: Apache-2.0
 *
 * channel.h -- the way from the source thread to one sink's worker, and back.
 *
 * forward carries published batches (lent, immutable), reclaim carries the same pointers back when
 * that sink is done with them.  Both have room for every batch there is, so a push cannot fail.
 */
#ifndef LEAT_CHANNEL_H
#define LEAT_CHANNEL_H

#include "doorbell.h"
#include "ring.h"

struct channel {
    struct ring forward; /* source thread -> worker */
    struct ring reclaim; /* worker -> source thread */
    struct doorbell worker_bell;
    struct doorbell *source_bell; /* the source loop's own; shared by all channels */
};

#endif
