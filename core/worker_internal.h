/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_internal.h -- what the files of a worker share, by file; the tour through them is at the
 * top of worker.c.  [worker]
 */
#ifndef LEAT_WORKER_INTERNAL_H
#define LEAT_WORKER_INTERNAL_H

#include "worker.h"

static inline struct worker *worker__of(const leat_host *host)
{
    return (struct worker *)(void *)(uintptr_t)host;
}

static inline struct slot *worker__slot(struct worker *worker, uint32_t index)
{
    return &worker->slots[index & (WORKER_SLOTS - 1)];
}

static inline enum slot_state worker__slot_state(struct slot *slot, memory_order order)
{
    return (enum slot_state)(atomic_load_explicit(&slot->word, order) & 0xff);
}

static inline void worker__slot_set(struct slot *slot, enum slot_state state, memory_order order)
{
    atomic_store_explicit(&slot->word, (uint64_t)slot->generation << 8 | (uint64_t)state, order);
}

static inline const leat_record *worker__record(const struct slot *slot, uint32_t index)
{
    return (const leat_record *)(const void *)(slot->records + (size_t)index * sizeof(leat_record));
}

static inline bool worker__is_asked(struct worker *worker, enum channel_order order)
{
    return atomic_load_explicit(&worker->channel->order, memory_order_acquire) == (int)order;
}

/* One writer, so no read-modify-write. */
static inline void worker__count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* ---- worker_state.c ------------------------------------------------------------------------- */

void worker__enter(struct worker *worker, enum worker_state state);
void worker__fail(struct worker *worker, const leat_error *error);

/* Enters the state, which waits: for asked_ms, or where that is 0 longer after each failure. */
void worker__back_off(struct worker *worker, enum worker_state state, uint32_t asked_ms);

/* What a worker in that state waits for, in words.  Static. */
const char *worker__state_text(enum worker_state state);

/* ---- worker_instance.c ---------------------------------------------------------------------- */

/* Enters STARTING (call again), RUNNING, DOWN or RECORD_FAILED. */
void worker__instance_start(struct worker *worker);

/* The instance is stopped, and will be started again after a back-off. */
void worker__instance_down(struct worker *worker, const leat_error *error);

/* ---- worker_encode.c ------------------------------------------------------------------------ */

/* Makes one more part out of the batch that is being cut, or the next one; false: there is nothing
 * to encode, or no memory or slot now. */
bool worker__encode_next(struct worker *worker);

/* True when worker__encode_next could do something. */
bool worker__can_encode(struct worker *worker);

/* The next batch that nothing was done with yet, or NULL. */
struct batch *worker__next_waiting(struct worker *worker);

/* The batch goes back to the source thread. */
void worker__give_back(struct worker *worker, struct batch *batch);

/* ---- worker_record.c ------------------------------------------------------------------------ */

/* RECORD_NO_MEMORY: none of the pool now.  RECORD_FAILED: the route is wrong for it, *error says why. */
enum record_built { RECORD_BUILT, RECORD_NO_MEMORY, RECORD_FAILED };

/* Adds the change to the slot's records, which have the room; on anything but RECORD_BUILT none is added. */
enum record_built worker__build_record(struct worker *worker, struct slot *slot,
                                       const leat_change *change, leat_error *error);

/* ---- worker_held.c -------------------------------------------------------------------------- */

/* While `skipping`, for one change after the other: true when the sink holds it. */
bool worker__is_held(struct worker *worker, leat_identity identity);

/* Gives a batch back of which the sink holds everything. */
void worker__skip_batch(struct worker *worker, struct batch *batch);

/* After a start: records that the sink turns out to hold count as durable. */
void worker__skip_encoded(struct worker *worker);

/* What the batch has in the sink already may be durable only as much later as the sink may take. */
void worker__hold_as_before(struct worker *worker, struct batch *batch);

/* ---- worker_reject.c ------------------------------------------------------------------------ */

/* A record that will never be accepted: true when it is durable in the dead letters, else the
 * worker has failed. */
bool worker__dead_letter(struct worker *worker, const leat_change *change, leat_bytes route,
                         leat_bytes value, const char *reason);

/* ---- worker_results.c ----------------------------------------------------------------------- */

/* [any] leat_host.batch_done. */
void worker__batch_done(const leat_host *host, uint64_t token, const leat_result *result);

/* True when there were any: the plugin may take again what it refused. */
bool worker__take_results(struct worker *worker);

/* Finished slots leave at the head: their memory comes back, and a whole batch goes home. */
void worker__leave(struct worker *worker);

/* The instance is stopped: what it had counts as not durable. */
void worker__take_everything_back(struct worker *worker);

/* The batch is not durable before that time, whatever others say. */
void worker__hold_until(struct batch *batch, int64_t until_ns);

/* Adds how long ago the batch's last change was committed; one that has no time adds nothing. */
void worker__since_commit(struct histogram *histogram, const struct batch *batch);

/* ---- worker_change.c ------------------------------------------------------------------------ */

/* worker_step while the sink is dropped, or about to be. */
bool worker__dropped_step(struct worker *worker, int32_t max_wait_ms);

#endif
