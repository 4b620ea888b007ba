/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_held.c -- what the sink holds already, from an instance or a process before this one: it is
 * not delivered again.  [worker]
 *
 * What is known of that is set when the instance starts (worker_instance.c) or when the worker takes
 * over from another (worker_change.c); as soon as a change comes that is not held, nobody asks any
 * more.  Nothing here tells the plugin anything.
 */
#include "worker_internal.h"

bool worker__is_held(struct worker *worker, leat_identity identity)
{
    if (leat_identity_compare(identity, worker->skip_until) <= 0)
        return true;
    for (; worker->run_at < worker->run_count; worker->run_at++) {
        const struct worker_run *run = &worker->runs[worker->run_at];
        if (leat_identity_compare(identity, run->last) <= 0)
            return leat_identity_compare(identity, run->first) >= 0;
    }
    worker->skipping = worker->carried = false;
    return false;
}

/* What an instance before this one, or a process before this one, made durable may not have been so
 * at once: how long ago that was is not known. */
void worker__hold_as_before(struct worker *worker, struct batch *batch)
{
    uint32_t hold_ms = worker->skip_hold_ms;

    if (worker->carried && worker->longest_hold_ms > hold_ms)
        hold_ms = worker->longest_hold_ms;
    if (hold_ms > 0)
        worker__hold_until(batch, clock_now_ns(worker->clock) + (int64_t)hold_ms * 1000000);
}

/* All of the batch is in the sink: should the sink lose it before it is confirmed, that is noticed
 * just as with what was delivered. */
void worker__skip_batch(struct worker *worker, struct batch *batch)
{
    if (worker->head == worker->tail && batch->writer.change_count > 0 &&
        (!worker->has_accepted || leat_identity_compare(batch->last, worker->accepted) > 0)) {
        worker->accepted = batch->last;
        worker->has_accepted = true;
    }
    worker__count(&worker->counters.skipped, batch->writer.change_count);
    worker__give_back(worker, batch);
}

void worker__skip_encoded(struct worker *worker)
{
    for (uint32_t i = worker->head; i != worker->tail; i++) {
        struct slot *slot = worker__slot(worker, i);
        if (worker__slot_state(slot, memory_order_relaxed) != SLOT_READY)
            continue;
        while (slot->durable < slot->record_count &&
               leat_identity_compare(worker__record(slot, slot->durable)->identity,
                                     worker->skip_until) <= 0) {
            slot->durable++;
            worker__hold_as_before(worker, slot->batch);
            worker__count(&worker->counters.skipped, 1);
        }
        if (slot->durable == slot->record_count)
            worker__slot_set(slot, SLOT_FINISHED, memory_order_relaxed);
    }
}
