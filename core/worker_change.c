/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_change.c -- see worker_change.h; and the step of a sink that was dropped.  [worker], but
 * for what its header says.
 *
 * A dropped sink's worker is an empty hole: it gives every batch back at once, so neither the
 * window nor the source knows the difference.
 */
#include "worker_change.h"

#include "worker_internal.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

/* ---- dropped -------------------------------------------------------------------------------- */

static void miss(struct worker *worker, const struct batch *batch)
{
    if (leat_identity_compare(batch->last, worker->missed) > 0)
        worker->missed = batch->last;
    worker__count(&worker->counters.missed, batch->writer.change_count);
}

/* What the sink had under way goes home as it is. */
static void let_go(struct worker *worker)
{
    for (; worker->head != worker->tail; worker->head++) {
        struct slot *slot = worker__slot(worker, worker->head);
        span_list_release(&slot->memory, &worker->pool);
        if (slot->last_part) {
            miss(worker, slot->batch);
            worker__give_back(worker, slot->batch);
        }
        slot->generation++;
        worker__slot_set(slot, SLOT_FREE, memory_order_relaxed);
    }
    worker->next = worker->head;
    worker->no_memory = false;
    if (worker->cutting) {
        miss(worker, worker->cutting);
        worker__give_back(worker, worker->cutting);
        worker->cutting = NULL;
    }
    atomic_store_explicit(&worker->counters.oldest_ns, 0, memory_order_relaxed);
}

static void begin_to_drop(struct worker *worker)
{
    if (worker->state != WORKER_WAITING && worker->state != WORKER_DOWN)
        (void)worker->ops->stop(worker->sink, 0);
    worker__take_everything_back(worker);
    worker__leave(worker);
    let_go(worker);
    worker->skipping = worker->carried = false;
    worker__enter(worker, WORKER_DROPPED);
    worker->log(&worker->host, LEAT_LOG_WARN, "sink is dropped: it gets nothing more", NULL, 0);
}

static void drop_what_comes(struct worker *worker)
{
    struct batch *batch;

    while ((batch = worker__next_waiting(worker)) != NULL) {
        miss(worker, batch);
        worker__give_back(worker, batch);
    }
}

static void come_back(struct worker *worker)
{
    journal_take_back(worker->journal, worker->config->name, worker->missed);
    worker->missed = (leat_identity){0, 0};
    worker->failures = 0;
    worker->log(&worker->host, LEAT_LOG_WARN, "sink takes part again", NULL, 0);
    worker__enter(worker, WORKER_WAITING);
}

bool worker__dropped_step(struct worker *worker, int32_t max_wait_ms)
{
    struct channel *channel = worker->channel;
    struct pollfd fd = {.fd = channel->worker_bell.fd, .events = POLLIN};

    if (worker->state != WORKER_DROPPED)
        begin_to_drop(worker);
    drop_what_comes(worker);
    if (!worker__is_asked(worker, CHANNEL_DROP)) {
        come_back(worker);
        return true;
    }
    doorbell_arm(&channel->worker_bell);
    if (ring_count(&channel->forward) == 0 && worker__is_asked(worker, CHANNEL_DROP) &&
        !atomic_load_explicit(&worker->stopping, memory_order_acquire) &&
        !atomic_load_explicit(&channel->stopping, memory_order_acquire))
        (void)poll(&fd, 1, max_wait_ms);
    doorbell_disarm(&channel->worker_bell);
    return true;
}

/* ---- replaced ------------------------------------------------------------------------------- */

/* Batches that the old worker has and has not given back, in stream order. */
static size_t unreturned(const struct worker *old, struct batch **out)
{
    size_t count = 0;

    for (uint32_t i = old->head; i != old->tail; i++) {
        struct batch *batch = old->slots[i & (WORKER_SLOTS - 1)].batch;
        if (count == 0 || out[count - 1] != batch)
            out[count++] = batch;
    }
    if (old->cutting && (count == 0 || out[count - 1] != old->cutting))
        out[count++] = old->cutting;
    for (uint32_t i = old->backlog_at; i < old->backlog_count; i++)
        out[count++] = old->backlog[i];
    return count;
}

/* Runs of records that are durable although some before them are not, or are of the same batch:
 * of the parts under way, and what was known before of batches that have not gone home. */
static uint32_t durable_runs(const struct worker *old, leat_identity behind, struct worker_run *out)
{
    uint32_t count = 0;

    for (uint32_t i = old->head; i != old->tail; i++) {
        const struct slot *slot = &old->slots[i & (WORKER_SLOTS - 1)];
        if (slot->durable > 0)
            out[count++] = (struct worker_run){worker__record(slot, 0)->identity,
                                               worker__record(slot, slot->durable - 1)->identity};
    }
    for (uint32_t i = 0; i < old->run_count; i++)
        if (leat_identity_compare(old->runs[i].last, behind) > 0)
            out[count++] = old->runs[i];
    return count;
}

static int by_first(const void *a, const void *b)
{
    return leat_identity_compare(((const struct worker_run *)a)->first,
                                 ((const struct worker_run *)b)->first);
}

/* A part's run may lie round one that was left out of the part: what overlaps becomes one. */
static uint32_t join_runs(struct worker_run *runs, uint32_t count)
{
    uint32_t kept = 0;

    qsort(runs, count, sizeof *runs, by_first);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || leat_identity_compare(runs[i].first, runs[kept - 1].last) > 0)
            runs[kept++] = runs[i];
        else if (leat_identity_compare(runs[i].last, runs[kept - 1].last) > 0)
            runs[kept - 1].last = runs[i].last;
    }
    return kept;
}

bool worker_remember(struct worker *worker, const struct worker *old)
{
    size_t most = (size_t)(old->tail - old->head) + old->run_count;

    worker->accepted = old->accepted;
    worker->has_accepted = old->has_accepted;
    worker->skip_until = old->accepted;
    if (leat_identity_compare(old->skip_until, worker->skip_until) > 0)
        worker->skip_until = old->skip_until;
    if (most > 0) {
        worker->runs = calloc(most, sizeof *worker->runs);
        if (!worker->runs)
            return false;
        worker->run_count = durable_runs(old, worker->skip_until, worker->runs);
        worker->run_count = join_runs(worker->runs, worker->run_count);
    }
    worker->skipping = worker->carried = worker->skip_until.position != 0 || worker->run_count > 0;
    worker->longest_hold_ms = old->longest_hold_ms;
    worker->missed = old->missed;
    return true;
}

static void keep_counting(_Atomic uint64_t *counter, _Atomic uint64_t *old)
{
    atomic_store_explicit(counter, atomic_load_explicit(old, memory_order_relaxed),
                          memory_order_relaxed);
}

bool worker_inherit(struct worker *worker, struct worker *old)
{
    size_t most = (size_t)(old->tail - old->head) + 1 + old->backlog_count;

    worker->backlog = calloc(most, sizeof(struct batch *));
    if (!worker->backlog || !worker_remember(worker, old)) {
        free(worker->backlog);
        worker->backlog = NULL;
        return false;
    }
    worker->backlog_count = (uint32_t)unreturned(old, worker->backlog);
    worker->regressed = false;
    keep_counting(&worker->counters.records, &old->counters.records);
    keep_counting(&worker->counters.bytes, &old->counters.bytes);
    keep_counting(&worker->counters.batches, &old->counters.batches);
    keep_counting(&worker->counters.retries, &old->counters.retries);
    keep_counting(&worker->counters.rejects, &old->counters.rejects);
    keep_counting(&worker->counters.starts, &old->counters.starts);
    keep_counting(&worker->counters.skipped, &old->counters.skipped);
    keep_counting(&worker->counters.missed, &old->counters.missed);
    return true;
}
