/* SPDX-License-Identifier: Apache-2.0
 *
 * commit.c -- see sink.h.  A batch is written when it comes and given back when its files have been
 * synced.  When something fails, each lent batch is given back with the number of its leading
 * records that are durable for certain; the rest is offered again, and each lane skips what it has.
 */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

/* ---- giving back ----------------------------------------------------------------------------- */

static void give_back(struct leat_sink *sink, const struct pending *pending, leat_status status,
                      uint32_t durable_count, const char *text)
{
    leat_result result = {.size = sizeof result,
                          .status = status,
                          .durable_count = durable_count,
                          .text = {text, strlen(text)}};
    sink->host->batch_done(sink->host, pending->batch->token, &result);
}

/* Leading records that are durable. */
static uint32_t durable_prefix(struct leat_sink *sink, const struct pending *pending)
{
    uint32_t i = 0;
    for (; i < pending->limit; i++) {
        const leat_record *record = leat_batch_at(pending->batch, i);
        const struct lane *lane = lane_find(sink, record->route);
        if (!lane || !mark_covers(&lane->durable, record->identity))
            break;
    }
    return i;
}

static void settle_one(struct leat_sink *sink, const struct pending *pending)
{
    bool failed = sink->problem.status != LEAT_OK;
    uint32_t durable = failed ? durable_prefix(sink, pending) : pending->limit;
    if (durable < pending->limit) {
        if (!sink->resume.set)
            sink->resume = (struct mark){leat_batch_at(pending->batch, durable)->identity, true};
        give_back(sink, pending, LEAT_ERETRY, durable, sink->problem.text);
    } else if (pending->reject) {
        give_back(sink, pending, LEAT_EREJECT, durable, pending->reject);
    } else {
        give_back(sink, pending, LEAT_OK, durable, "");
    }
}

static void settle(struct leat_sink *sink)
{
    bool failed = sink->problem.status != LEAT_OK;
    for (uint32_t i = 0; i < sink->pending_count; i++)
        settle_one(sink, &sink->pending[i]);
    if (!failed && sink->failing && sink->pending_count) {
        sink->failing = false;
        const leat_field fields[] = {LEAT_F_STR("directory", sink->directory.path)};
        sink->host->log(sink->host, LEAT_LOG_INFO, "writing again", fields, 1);
    }
    sink->pending_count = 0;
    sink->bulk = sink->unsynced >= BULK_BYTES;
    sink->unsynced = 0;
    sink->problem.status = LEAT_OK;
}

/* A sync costs the same for a little and for much.  So while much comes in, one waits for more, for
 * a time that nobody notices; a trickle is synced at once. */
int64_t sink_commit_due(const struct leat_sink *sink)
{
    if (!sink->bulk || sink->unsynced >= (uint64_t)sink->config->max_unsynced ||
        sink->pending_count == PENDING_MAX)
        return 0;
    return sink->unsynced_since_ns + BULK_DELAY_NS;
}

void sink_commit(struct leat_sink *sink)
{
    while (sink->dirty) {
        struct lane *lane = sink->dirty;
        sink->dirty = lane->dirty_next;
        lane->dirty = false;
        if (lane_sync(sink, lane, false) == 0 && lane->retain) {
            lane->retain = false;
            retain_lane(sink, lane);
        }
    }
    settle(sink);
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool same_route(const struct lane *lane, leat_bytes route)
{
    return lane->route_len == route.len &&
           (route.len == 0 || memcmp(lane->route, route.ptr, route.len) == 0);
}

static struct lane *route_to_lane(struct leat_sink *sink, leat_bytes route, const char **reject)
{
    *reject = NULL;
    struct lane *lane = lane_find(sink, route);
    if (lane)
        return lane;
    *reject = route_reject(route);
    return *reject ? NULL : lane_make(sink, route, reject);
}

static bool next_make_room(struct leat_sink *sink, uint32_t count)
{
    if (count <= sink->next_room)
        return true;
    uint32_t *larger = realloc(sink->next, count * sizeof *larger);
    if (!larger)
        return false;
    sink->next = larger;
    sink->next_room = count;
    return true;
}

/* Sorts the batch's records by lane: each lane's are a chain, the lanes a list in the order in
 * which they appear.  Stops at a record that cannot be taken; 0, or -1 with sink->problem. */
static int group(struct leat_sink *sink, struct pending *pending)
{
    const leat_batch *batch = pending->batch;
    struct lane **tail = &sink->touched, *lane = NULL;
    sink->touched = NULL;
    pending->limit = 0;
    if (!next_make_room(sink, batch->record_count)) {
        sink_problem(sink, "no memory for a batch", NULL);
        return -1;
    }
    for (uint32_t i = 0; i < batch->record_count; i++) {
        leat_bytes route = leat_batch_at(batch, i)->route;
        if (!lane || !same_route(lane, route))
            lane = route_to_lane(sink, route, &pending->reject);
        if (!lane && pending->reject)
            return 0;
        if (!lane) {
            sink_problem(sink, "no memory for a route", NULL);
            return -1;
        }
        if (lane->touched) {
            sink->next[lane->last_record] = i;
        } else {
            lane->touched = true;
            lane->touched_next = NULL;
            lane->first_record = i;
            *tail = lane;
            tail = &lane->touched_next;
        }
        lane->last_record = i;
        pending->limit = i + 1;
    }
    return 0;
}

static bool out_of_order(struct leat_sink *sink, const leat_batch *batch)
{
    if (!sink->resume.set)
        return false;
    leat_identity first = leat_batch_at(batch, 0)->identity;
    if (leat_identity_compare(first, sink->resume.identity) > 0)
        return true;
    sink->resume.set = false;
    return false;
}

leat_status sink_submit(struct leat_sink *sink, const leat_batch *batch)
{
    if (sink->lost || sink->pending_count == PENDING_MAX ||
        sink->unsynced >= (uint64_t)sink->config->max_unsynced)
        return LEAT_AGAIN;
    /* To write it would make the records before it look as if they were there; the one to retry comes
     * first, once the host has seen that it failed. */
    if (out_of_order(sink, batch))
        return LEAT_AGAIN;
    struct pending *pending = &sink->pending[sink->pending_count];
    *pending = (struct pending){.batch = batch};
    if (sink->pending_count++ == 0)
        sink->unsynced_since_ns = sink->host->now_ns(sink->host);
    int failed = group(sink, pending);
    for (struct lane *lane = sink->touched; lane; lane = lane->touched_next) {
        lane->touched = false;
        if (!failed)
            failed = lane_append(sink, lane, batch);
    }
    if (failed || pending->reject)
        sink_commit(sink);
    return LEAT_OK;
}
