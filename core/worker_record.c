/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_record.c -- one change as a record: its route, key, id and value, in the worker's own
 * memory.  [worker]  Nothing here calls the plugin.
 */
#include "worker_internal.h"

#include "bytes.h"
#include "stage.h"

#include <assert.h>
#include <string.h>

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

/* ---- its pieces ----------------------------------------------------------------------------- */

static enum record_built build_route(struct worker *worker, struct slot *slot,
                                     const leat_change *change, const leat_record *before,
                                     leat_record *record, leat_error *error)
{
    uint32_t longest;
    leat_bytes route;
    leat_status status;

    if (!worker->router)
        return RECORD_BUILT;
    longest = worker->ops->route->max_length;
    if (!more_room(worker, slot, longest))
        return RECORD_NO_MEMORY;
    status = router_resolve(worker->router, change, worker->arena.cur, longest, &route, error);
    if (status != LEAT_OK)
        return RECORD_FAILED;
    if (before && before->route.len == route.len &&
        memcmp(before->route.ptr, route.ptr, route.len) == 0) {
        record->route = before->route;
        return RECORD_BUILT;
    }
    if (route.ptr != (const char *)worker->arena.cur)
        memcpy(worker->arena.cur, route.ptr, route.len);
    record->route = take(worker, route.len);
    return RECORD_BUILT;
}

static enum record_built build_one_key(struct worker *worker, struct slot *slot,
                                       const leat_change *change, enum encode_key which,
                                       leat_bytes *out)
{
    bool has;
    size_t length =
        encoder_key(worker->encoder, change, which, worker->arena.cur, room(worker), &has);

    if (has && length == 0) {
        if (!more_room(worker, slot, encoder_bound(worker->encoder, change)))
            return RECORD_NO_MEMORY;
        length = encoder_key(worker->encoder, change, which, worker->arena.cur, room(worker), &has);
        assert(length > 0);
    }
    if (has)
        *out = take(worker, length);
    return RECORD_BUILT;
}

static enum record_built build_key(struct worker *worker, struct slot *slot,
                                   const leat_change *change, leat_record *record)
{
    enum record_built built;

    if (!(worker->ops->caps & LEAT_SINK_WANTS_KEY) || !change->relation)
        return RECORD_BUILT;
    built = build_one_key(worker, slot, change, ENCODE_KEY_OLD, &record->key);
    if (built == RECORD_BUILT && change->flags & LEAT_CHANGE_KEY_CHANGED)
        built = build_one_key(worker, slot, change, ENCODE_KEY_NEW, &record->after_key);
    return built;
}

/* "<namespace>:<lsn>:<seq>"; the part before seq is made once a transaction. */
static enum record_built build_id(struct worker *worker, struct slot *slot,
                                  const leat_change *change, leat_record *record)
{
    unsigned char *at, *end;

    if (!(worker->ops->caps & LEAT_SINK_WANTS_ID))
        return RECORD_BUILT;
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
        return RECORD_NO_MEMORY;
    at = worker->arena.cur;
    memcpy(at, worker->id_prefix, worker->id_prefix_length);
    end = bytes_int(at + worker->id_prefix_length, change->identity.seq);
    record->id = take(worker, (size_t)(end - at));
    return RECORD_BUILT;
}

static enum record_built build_value(struct worker *worker, struct slot *slot,
                                     const leat_change *change, leat_record *record)
{
    size_t length;

    if (worker->ops->caps & LEAT_SINK_RAW_ROWS)
        return RECORD_BUILT;
    length = room(worker) < 2
                 ? 0
                 : encoder_value(worker->encoder, change, worker->arena.cur, room(worker) - 1);
    if (length == 0) {
        size_t bound = encoder_bound(worker->encoder, change);
        if (!more_room(worker, slot, bound == SIZE_MAX ? bound : bound + 1))
            return RECORD_NO_MEMORY;
        length = encoder_value(worker->encoder, change, worker->arena.cur, room(worker) - 1);
        assert(length > 0);
    }
    record->value = take(worker, length);
    if (worker->ops->caps & LEAT_SINK_LINES && worker->config->format == ENCODE_JSON)
        *worker->arena.cur++ = '\n';
    return RECORD_BUILT;
}

/* ---- the whole ------------------------------------------------------------------------------ */

enum record_built worker__build_record(struct worker *worker, struct slot *slot,
                                       const leat_change *change, leat_error *error)
{
    leat_record *record = (leat_record *)(void *)slot->records + slot->record_count;
    const leat_record *before = slot->record_count > 0 ? record - 1 : NULL;
    enum record_built built;

    memset(record, 0, sizeof *record);
    record->identity = change->identity;
    record->op = change->op;
    record->flags = change->flags;
    record->change = worker->config->isolate ? NULL : change; /* the source's memory */
    built = build_route(worker, slot, change, before, record, error);
    if (built == RECORD_BUILT)
        built = build_key(worker, slot, change, record);
    if (built == RECORD_BUILT)
        built = build_id(worker, slot, change, record);
    if (built == RECORD_BUILT)
        built = build_value(worker, slot, change, record);
    if (built == RECORD_BUILT) {
        worker__count(&worker->counters.bytes, record->value.len);
        slot->record_count++;
        stage_pass("record_encoded");
    }
    return built;
}
