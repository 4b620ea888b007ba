/* SPDX-License-Identifier: Apache-2.0
 *
 * proof.h -- what the sinks of a pipeline have to show before anything is recorded: that they hold
 * all up to a position which the origin will not send again.  See leat.proof/1 in leat/plugin.h.
 *
 * The source thread demands, before the workers may start their sinks; each worker shows once, at
 * its sink's first start (channel.proved); the source thread waits for all that are not dropped.
 */
#ifndef LEAT_PROOF_H
#define LEAT_PROOF_H

#include <leat/plugin.h>
#include <stdatomic.h>
#include <stdio.h>

struct proof {
    /* The workers load it (acquire, through name_space of the source loop, which is stored behind
     * it), as the text.  0: nothing was demanded. */
    _Atomic uint64_t position;
    char why[LEAT_ERROR_TEXT];
};

/* [source] */
static inline void proof_demand(struct proof *proof, uint64_t position, const char *why)
{
    (void)snprintf(proof->why, sizeof proof->why, "%s", why);
    atomic_store_explicit(&proof->position, position, memory_order_release);
}

/* [worker] Does a sink that started so hold everything?  A record of a transaction that commits at or
 * behind the position shows that all before it is there.  The last record of the transaction before
 * it does not: that transaction may have had more.  Changes nothing. */
static inline int proof_holds(struct proof *proof, const leat_sink_start *start)
{
    uint64_t position = atomic_load_explicit(&proof->position, memory_order_acquire);

    return position == 0 || (start->holds == LEAT_HOLDS_LAST && start->last.position >= position);
}

#endif
