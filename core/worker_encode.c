/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_encode.c -- turns source batches into parts: runs of records (worker_record.c) in the
 * worker's own memory.  [worker]
 *
 * A part ends when it has WORKER_PART_RECORDS records, when its batch ends, or when memory does; so
 * a batch never needs more memory at once than its largest record.  Nothing here calls the plugin.
 */
#include "worker_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- batches come and go -------------------------------------------------------------------- */

struct batch *worker__next_waiting(struct worker *worker)
{
    if (worker->backlog_at < worker->backlog_count)
        return worker->backlog[worker->backlog_at++];
    return ring_pop(&worker->channel->forward);
}

void worker__give_back(struct worker *worker, struct batch *batch)
{
    bool pushed = ring_push(&worker->channel->reclaim, batch);

    assert(pushed);
    (void)pushed;
    doorbell_ring(worker->channel->source_bell);
}

/* The next batch to cut; batches that the sink holds already go straight back. */
static bool next_batch(struct worker *worker)
{
    while (!worker->cutting) {
        struct batch *batch = worker__next_waiting(worker);
        if (!batch)
            return false;
        if (worker->skipping)
            worker__hold_as_before(worker, batch);
        if (worker->skipping && leat_identity_compare(batch->last, worker->skip_until) <= 0) {
            worker__skip_batch(worker, batch);
            continue;
        }
        worker__since_commit(&worker->commit_to_queued, batch);
        worker->cutting = batch;
        worker->cut_at = batch->writer.first;
        worker->cut_left = batch->writer.change_count;
    }
    return true;
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void cut_one(struct worker *worker)
{
    worker->cut_at = worker->cut_at->next;
    worker->cut_left--;
}

/* Nothing of the batch is left to encode, and this part is empty: the batch goes back now, or with
 * the part of it that is still under way. */
static void end_without_part(struct worker *worker)
{
    struct batch *batch = worker->cutting;

    worker->cutting = NULL;
    if (worker->head != worker->tail && worker__slot(worker, worker->tail - 1)->batch == batch) {
        worker__slot(worker, worker->tail - 1)->last_part = true;
        return;
    }
    worker__give_back(worker, batch);
}

/* Memory ran out at the first record of a part.  If nothing else is under way it never fits. */
static void out_of_memory(struct worker *worker, struct slot *slot)
{
    const leat_change *change = worker->cut_at;
    char reason[256];
    size_t need;

    span_list_release(&slot->memory, &worker->pool);
    if (worker->head != worker->tail) {
        worker->no_memory = true;
        return;
    }
    need = encoder_bound(worker->encoder, change);
    if (need == SIZE_MAX)
        need = pool_bytes(&worker->pool);
    need += sizeof(leat_record) * WORKER_PART_RECORDS + (size_t)4 * worker->pool.slab_size;
    (void)snprintf(reason, sizeof reason,
                   "encoded it needs %zu bytes, the sink's share of memory is %zu: set memory to "
                   "at least %zuMiB",
                   need, pool_bytes(&worker->pool),
                   need * worker->memory_factor / (1024 * 1024) + 1);
    if (worker__dead_letter(worker, change, (leat_bytes){"", 0}, (leat_bytes){"", 0}, reason)) {
        cut_one(worker);
        if (!worker->cut_at)
            end_without_part(worker);
    }
}

static bool fill_part(struct worker *worker, struct slot *slot)
{
    leat_error error = {.size = sizeof error};

    while (worker->cut_at && slot->record_count < WORKER_PART_RECORDS) {
        const leat_change *change = worker->cut_at;
        enum record_built built;

        if (worker->skipping && worker__is_held(worker, change->identity)) {
            worker__count(&worker->counters.skipped, 1);
            cut_one(worker);
            continue;
        }
        built = worker__build_record(worker, slot, change, &error);
        if (built == RECORD_NO_MEMORY) {
            if (slot->record_count == 0) {
                out_of_memory(worker, slot);
                return false;
            }
            break;
        }
        if (built == RECORD_FAILED && !worker__dead_letter(worker, change, (leat_bytes){"", 0},
                                                           (leat_bytes){"", 0}, error.text))
            return false;
        cut_one(worker);
    }
    return true;
}

bool worker__can_encode(struct worker *worker)
{
    return worker->tail - worker->head < WORKER_SLOTS &&
           (worker->cutting || worker->backlog_at < worker->backlog_count ||
            ring_count(&worker->channel->forward) > 0);
}

bool worker__encode_next(struct worker *worker)
{
    struct slot *slot;
    uint32_t records;

    while (!worker->no_memory && worker->state == WORKER_RUNNING &&
           worker->tail - worker->head < WORKER_SLOTS && next_batch(worker)) {
        slot = worker__slot(worker, worker->tail);
        records = worker->cut_left < WORKER_PART_RECORDS ? worker->cut_left : WORKER_PART_RECORDS;
        slot->record_count = slot->durable = slot->attempt = 0;
        if (!span_list_grow(&slot->memory, &worker->pool, &worker->arena,
                            records * sizeof(leat_record))) {
            out_of_memory(worker, slot);
            return false;
        }
        slot->records = worker->arena.cur;
        worker->arena.cur += records * sizeof(leat_record);
        if (!fill_part(worker, slot)) {
            span_list_release(&slot->memory, &worker->pool);
            continue; /* no_memory, a failure, or one record less */
        }
        if (slot->record_count == 0) {
            span_list_release(&slot->memory, &worker->pool);
            end_without_part(worker);
            continue;
        }
        slot->batch = worker->cutting;
        slot->last_part = worker->cut_at == NULL;
        if (slot->last_part) {
            worker->cutting = NULL;
            worker__since_commit(&worker->commit_to_encoded, slot->batch);
        }
        slot->encoded_ns = clock_now_ns(worker->clock);
        histogram_add(&worker->queued, (slot->encoded_ns - slot->batch->published_ns) / 1000);
        worker__slot_set(slot, SLOT_READY, memory_order_relaxed);
        worker->tail++;
        return true;
    }
    return false;
}
