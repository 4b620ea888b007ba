/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_encode.c -- turns source batches into parts: records with their route, key, id and value
 * in the worker's own memory.  [worker]
 *
 * A part ends when it has WORKER_PART_RECORDS records, when its batch ends, or when memory does; so
 * a batch never needs more memory at once than its largest record.
 */
#include "worker_internal.h"

#include "bytes.h"
#include "stage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* How building one record ended. */
enum built { BUILT, SKIPPED, NO_MEMORY, FAILED };

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

void worker__give_back(struct worker *worker, struct batch *batch)
{
    bool pushed = ring_push(&worker->channel->reclaim, batch);

    assert(pushed);
    (void)pushed;
    doorbell_ring(worker->channel->source_bell);
}

/* ---- what a record that cannot be delivered leads to ---------------------------------------- */

static void describe(const leat_change *change, char *text, size_t size)
{
    char lsn[32];

    lsn[encode_lsn(change->identity.position, lsn)] = '\0';
    if (change->relation)
        (void)snprintf(text, size, "%s of \"%.*s\".\"%.*s\" at %s seq %lld",
                       encode_op_name(change->op), (int)change->relation->schema.len,
                       change->relation->schema.ptr, (int)change->relation->table.len,
                       change->relation->table.ptr, lsn, (long long)change->identity.seq);
    else
        (void)snprintf(text, size, "message at %s seq %lld", lsn, (long long)change->identity.seq);
}

bool worker__dead_letter(struct worker *worker, const leat_change *change, leat_bytes route,
                         leat_bytes value, const char *reason)
{
    leat_error error = {.size = sizeof error, .status = LEAT_EREJECT, .exit_code = 65};
    char what[256];

    describe(change, what, sizeof what);
    for (char *c = what; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = '?';
    if (worker->dead_letter) {
        leat_bytes why = {reason, strlen(reason)};
        leat_field fields[] = {LEAT_F_STR("record", what), LEAT_F_STR("reason", reason)};
        leat_status status = dead_letter_write(worker->dead_letter, change, route, value,
                                               worker->config->format == ENCODE_JSON, why, &error);
        if (status == LEAT_OK) {
            worker__count(&worker->counters.dead_letters, 1);
            worker->log(&worker->host, LEAT_LOG_ERROR, "record rejected, kept as a dead letter",
                        fields, 2);
            return true;
        }
        error.status = status;
        worker__fail(worker, &error);
        return false;
    }
    (void)snprintf(error.text, sizeof error.text,
                   "sink %s rejects %s: %s; mend the cause, or set on_reject: dead_letter",
                   worker->config->name, what, reason);
    error.exit_code = 0;
    worker__fail(worker, &error);
    return false;
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

/* ---- parts ---------------------------------------------------------------------------------- */

static bool is_held(struct worker *worker, leat_identity identity)
{
    if (!worker->skipping)
        return false;
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

struct batch *worker__next_waiting(struct worker *worker)
{
    if (worker->backlog_at < worker->backlog_count)
        return worker->backlog[worker->backlog_at++];
    return ring_pop(&worker->channel->forward);
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
static void skip_batch(struct worker *worker, struct batch *batch)
{
    if (worker->head == worker->tail && batch->writer.change_count > 0 &&
        (!worker->has_accepted || leat_identity_compare(batch->last, worker->accepted) > 0)) {
        worker->accepted = batch->last;
        worker->has_accepted = true;
    }
    worker__count(&worker->counters.skipped, batch->writer.change_count);
    worker__give_back(worker, batch);
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
            skip_batch(worker, batch);
            continue;
        }
        worker__since_commit(&worker->commit_to_queued, batch);
        worker->cutting = batch;
        worker->cut_at = batch->writer.first;
        worker->cut_left = batch->writer.change_count;
    }
    return true;
}

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

        if (is_held(worker, change->identity)) {
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

const char *worker__state_text(enum worker_state state)
{
    switch (state) {
    case WORKER_WAITING:
        return "the source to reach its origin";
    case WORKER_STARTING:
        return "the sink to start";
    case WORKER_RUNNING:
        return "the sink's acknowledgement";
    case WORKER_RECOVERING:
        return "failed batches to come back";
    case WORKER_RETRYING:
    case WORKER_DOWN:
        return "the next try";
    case WORKER_FAILED:
        return "nothing: failed";
    case WORKER_DROPPED:
    case WORKER_PAUSED:
        return "a command";
    }
    return "";
}
