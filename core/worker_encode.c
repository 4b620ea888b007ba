/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_encode.c -- turns source batches into parts: records with their route, key, id and value
 * in the worker's own memory.  [worker]
 *
 * A part ends when it has WORKER_PART_RECORDS records, when its batch ends, or when memory does; so
 * a batch never needs more memory at once than its largest record.  Nothing here calls the plugin.
 */
#include "worker_internal.h"

#include "bytes.h"
#include "stage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* How building one record ended. */
enum built { BUILT, NO_MEMORY, FAILED };

static size_t room(const struct worker *worker)
{
    return (size_t)(worker->arena.end - worker->arena.cur);
}

static bool more_room(struct worker *worker, struct slot *slot, size_t size)
{
    return room(worker) >= size ||
           span_list_grow(&slot->memory, &worker->pool, &worker->arena, size);
}

static leat_bytes take(struct worker *worker, size_t length)
{
    leat_bytes bytes = {(const char *)worker->arena.cur, length};

    worker->arena.cur += length;
    return bytes;
}

/* ---- the pieces of a record ----------------------------------------------------------------- */

static enum built build_route(struct worker *worker, struct slot *slot, const leat_change *change,
                              const leat_record *before, leat_record *record, leat_error *error)
{
    uint32_t longest;
    leat_bytes route;
    leat_status status;

    if (!worker->router)
        return BUILT;
    longest = worker->ops->route->max_length;
    if (!more_room(worker, slot, longest))
        return NO_MEMORY;
    status = router_resolve(worker->router, change, worker->arena.cur, longest, &route, error);
    if (status != LEAT_OK)
        return FAILED;
    if (before && before->route.len == route.len &&
        memcmp(before->route.ptr, route.ptr, route.len) == 0) {
        record->route = before->route;
        return BUILT;
    }
    if (route.ptr != (const char *)worker->arena.cur)
        memcpy(worker->arena.cur, route.ptr, route.len);
    record->route = take(worker, route.len);
    return BUILT;
}

static enum built build_one_key(struct worker *worker, struct slot *slot, const leat_change *change,
                                enum encode_key which, leat_bytes *out)
{
    bool has;
    size_t length =
        encoder_key(worker->encoder, change, which, worker->arena.cur, room(worker), &has);

    if (has && length == 0) {
        if (!more_room(worker, slot, encoder_bound(worker->encoder, change)))
            return NO_MEMORY;
        length = encoder_key(worker->encoder, change, which, worker->arena.cur, room(worker), &has);
        assert(length > 0);
    }
    if (has)
        *out = take(worker, length);
    return BUILT;
}

static enum built build_key(struct worker *worker, struct slot *slot, const leat_change *change,
                            leat_record *record)
{
    enum built built;

    if (!(worker->ops->caps & LEAT_SINK_WANTS_KEY) || !change->relation)
        return BUILT;
    built = build_one_key(worker, slot, change, ENCODE_KEY_OLD, &record->key);
    if (built == BUILT && change->flags & LEAT_CHANGE_KEY_CHANGED)
        built = build_one_key(worker, slot, change, ENCODE_KEY_NEW, &record->after_key);
    return built;
}

/* "<namespace>:<lsn>:<seq>"; the part before seq is made once a transaction. */
static enum built build_id(struct worker *worker, struct slot *slot, const leat_change *change,
                           leat_record *record)
{
    unsigned char *at, *end;

    if (!(worker->ops->caps & LEAT_SINK_WANTS_ID))
        return BUILT;
    if (worker->id_prefix_length == 0 || worker->id_position != change->identity.position) {
        const char *space = atomic_load_explicit(worker->name_space, memory_order_acquire);
        size_t length = strlen(space);
        memcpy(worker->id_prefix, space, length);
        worker->id_prefix[length++] = ':';
        length += encode_lsn(change->identity.position, worker->id_prefix + length);
        worker->id_prefix[length++] = ':';
        worker->id_prefix_length = length;
        worker->id_position = change->identity.position;
    }
    if (!more_room(worker, slot, worker->id_prefix_length + 24))
        return NO_MEMORY;
    at = worker->arena.cur;
    memcpy(at, worker->id_prefix, worker->id_prefix_length);
    end = bytes_int(at + worker->id_prefix_length, change->identity.seq);
    record->id = take(worker, (size_t)(end - at));
    return BUILT;
}

static enum built build_value(struct worker *worker, struct slot *slot, const leat_change *change,
                              leat_record *record)
{
    size_t length;

    if (worker->ops->caps & LEAT_SINK_RAW_ROWS)
        return BUILT;
    length = room(worker) < 2
                 ? 0
                 : encoder_value(worker->encoder, change, worker->arena.cur, room(worker) - 1);
    if (length == 0) {
        size_t bound = encoder_bound(worker->encoder, change);
        if (!more_room(worker, slot, bound == SIZE_MAX ? bound : bound + 1))
            return NO_MEMORY;
        length = encoder_value(worker->encoder, change, worker->arena.cur, room(worker) - 1);
        assert(length > 0);
    }
    record->value = take(worker, length);
    if (worker->ops->caps & LEAT_SINK_LINES && worker->config->format == ENCODE_JSON)
        *worker->arena.cur++ = '\n';
    return BUILT;
}

static enum built build_record(struct worker *worker, struct slot *slot, const leat_change *change,
                               leat_error *error)
{
    leat_record *record = (leat_record *)(void *)slot->records + slot->record_count;
    const leat_record *before = slot->record_count > 0 ? record - 1 : NULL;
    enum built built;

    memset(record, 0, sizeof *record);
    record->identity = change->identity;
    record->op = change->op;
    record->flags = change->flags;
    record->change = worker->config->isolate ? NULL : change; /* the source's memory */
    built = build_route(worker, slot, change, before, record, error);
    if (built == BUILT)
        built = build_key(worker, slot, change, record);
    if (built == BUILT)
        built = build_id(worker, slot, change, record);
    if (built == BUILT)
        built = build_value(worker, slot, change, record);
    if (built == BUILT) {
        worker__count(&worker->counters.bytes, record->value.len);
        slot->record_count++;
        stage_pass("record_encoded");
    }
    return built;
}

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
        enum built built;

        if (worker->skipping && worker__is_held(worker, change->identity)) {
            worker__count(&worker->counters.skipped, 1);
            cut_one(worker);
            continue;
        }
        built = build_record(worker, slot, change, &error);
        if (built == NO_MEMORY) {
            if (slot->record_count == 0) {
                out_of_memory(worker, slot);
                return false;
            }
            break;
        }
        if (built == FAILED && !worker__dead_letter(worker, change, (leat_bytes){"", 0},
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
