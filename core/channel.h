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

/* What the sink was told.  It outlives a worker that is replaced. */
enum channel_order {
    CHANNEL_GO = 0,
    CHANNEL_PAUSE, /* submit nothing; what was lent is finished */
    CHANNEL_DROP   /* give everything back, get nothing */
};

struct channel {
    struct ring forward; /* source thread -> worker */
    struct ring reclaim; /* worker -> source thread */
    uint64_t returned;   /* batches that came back; source thread only */
    /* Stored by the control thread, CHANNEL_DROP by the source thread too (release, then the bell);
     * loaded by the worker (acquire) and by who looks (relaxed). */
    atomic_int order;
    _Atomic uint64_t left; /* batches that are out, while the source is held (relaxed) */
    /* Stored by the worker when its sink has shown what leat.proof/1 demands (release); loaded by the
     * source thread (acquire), which records nothing before. */
    atomic_bool proved;
    atomic_bool stopping; /* set by the source thread: the pipeline has ended */
    struct doorbell worker_bell;
    struct doorbell *source_bell; /* the source loop's own; shared by all channels */
};

#endif
