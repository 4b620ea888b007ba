/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_results.c -- what the plugin says of the parts that were lent to it.  [worker], but for
 * worker__batch_done, which is [any].
 */
#include "worker_internal.h"

#include "stage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* [any] The plugin gives a batch back. */
void worker__batch_done(const leat_host *host, uint64_t token, const leat_result *result)
{
    struct worker *worker = worker__of(host);
    struct slot *slot = &worker->slots[(uint32_t)token & (WORKER_SLOTS - 1)];
    uint64_t generation = (token >> 32) << 8;
    uint64_t lent = generation | SLOT_LENT;

    if (!atomic_compare_exchange_strong_explicit(&slot->word, &lent, generation | SLOT_REPORTING,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        leat_field fields[] = {LEAT_F_UINT("token", token)};
        worker->log(host, LEAT_LOG_ERROR, "plugin gave back a batch that it does not have", fields,
                    1);
        return;
    }
    memset(&slot->result, 0, sizeof slot->result);
    memcpy(&slot->result, result,
           result->size < sizeof slot->result ? result->size : sizeof slot->result);
    (void)snprintf(slot->result_text, sizeof slot->result_text, "%.*s", (int)result->text.len,
                   result->text.ptr ? result->text.ptr : "");
    atomic_store_explicit(&slot->word, generation | SLOT_REPORTED, memory_order_release);
    atomic_fetch_add_explicit(&worker->reports, 1, memory_order_release);
    doorbell_ring(&worker->channel->worker_bell);
}

static void mark_durable(struct worker *worker, struct slot *slot, uint32_t records)
{
    if (records > slot->offer.record_count)
        records = slot->offer.record_count;
    slot->durable += records;
    worker__count(&worker->counters.records, records);
    if (slot->durable == slot->record_count)
        worker__slot_set(slot, SLOT_FINISHED, memory_order_relaxed);
    else
        worker__slot_set(slot, SLOT_READY, memory_order_relaxed);
}

void worker__hold_until(struct batch *batch, int64_t until_ns)
{
    int64_t before_ns = atomic_load_explicit(&batch->hold_until_ns, memory_order_relaxed);

    while (before_ns < until_ns &&
           !atomic_compare_exchange_weak_explicit(&batch->hold_until_ns, &before_ns, until_ns,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

static void hold(struct worker *worker, struct slot *slot, uint32_t hold_ms)
{
    atomic_store_explicit(&worker->counters.hold_ms, hold_ms, memory_order_relaxed);
    if (hold_ms == 0)
        return;
    if (hold_ms > worker->longest_hold_ms)
        worker->longest_hold_ms = hold_ms;
    worker__hold_until(slot->batch, clock_now_ns(worker->clock) + (int64_t)hold_ms * 1000000);
}

static const leat_change *change_of(const struct slot *slot, const leat_record *record)
{
    const leat_change *change = record->change;

    if (!change) /* the sink is another process, which has no rows */
        for (change = slot->batch->writer.first; change; change = change->next)
            if (leat_identity_compare(change->identity, record->identity) == 0)
                break;
    assert(change);
    return change;
}

/* The record behind the durable ones will never be accepted. */
static void reject(struct worker *worker, struct slot *slot)
{
    const leat_record *record = worker__record(slot, slot->durable);

    worker__count(&worker->counters.rejects, 1);
    if (worker__dead_letter(worker, change_of(slot, record), record->route, record->value,
                            slot->result_text))
        mark_durable(worker, slot, 1);
}

static void take_result(struct worker *worker, struct slot *slot)
{
    leat_field fields[] = {LEAT_F_STR("error", slot->result_text)};
    leat_error error = {.size = sizeof error, .status = slot->result.status};

    worker->lent--;
    if (slot->result.status == LEAT_OK) {
        hold(worker, slot, slot->result.hold_ms);
        mark_durable(worker, slot, slot->offer.record_count);
        worker->failures = 0;
        return;
    }
    if (slot->result.durable_count > 0)
        hold(worker, slot, slot->result.hold_ms);
    mark_durable(worker, slot, slot->result.durable_count);
    if (slot->result.status == LEAT_EREJECT && slot->durable < slot->record_count)
        reject(worker, slot);
    if (worker->state == WORKER_FAILED)
        return;
    if (slot->result.status == LEAT_EFATAL || slot->result.status == LEAT_ECONFIG) {
        (void)snprintf(error.text, sizeof error.text, "%s", slot->result_text);
        worker__fail(worker, &error);
        return;
    }
    if (worker->state != WORKER_RUNNING)
        return;
    if (slot->result.status == LEAT_EREJECT) {
        worker->asked_ms = 1; /* the rest of the batch is not to blame */
    } else {
        worker->log(&worker->host, LEAT_LOG_WARN, "batch failed, will be retried", fields, 1);
        worker->asked_ms = slot->result.retry_after_ms;
    }
    worker__enter(worker, WORKER_RECOVERING);
}

void worker__since_commit(struct histogram *histogram, const struct batch *batch)
{
    struct timespec wall;

    if (batch->last_commit_us == 0)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    histogram_add(histogram,
                  (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - batch->last_commit_us);
}

/* How long a part took to become durable, and with its last part the batch. */
static void measure(struct worker *worker, const struct slot *slot)
{
    histogram_add(&worker->delivered, (clock_now_ns(worker->clock) - slot->encoded_ns) / 1000);
    if (slot->last_part)
        worker__since_commit(&worker->commit_to_durable, slot->batch);
}

/* Finished slots leave at the head: their memory comes back, and a whole batch goes home. */
void worker__leave(struct worker *worker)
{
    while (worker->head != worker->tail) {
        struct slot *slot = worker__slot(worker, worker->head);
        if (worker__slot_state(slot, memory_order_relaxed) != SLOT_FINISHED)
            break;
        worker->accepted = worker__record(slot, slot->record_count - 1)->identity;
        worker->has_accepted = true;
        measure(worker, slot);
        span_list_release(&slot->memory, &worker->pool);
        worker->no_memory = false;
        if (slot->last_part)
            worker__give_back(worker, slot->batch);
        slot->generation++;
        worker__slot_set(slot, SLOT_FREE, memory_order_relaxed);
        worker->head++;
        if ((int32_t)(worker->next - worker->head) < 0)
            worker->next = worker->head;
        stage_pass("batch_done");
    }
    atomic_store_explicit(
        &worker->counters.oldest_ns,
        worker->head == worker->tail ? 0 : worker__slot(worker, worker->head)->encoded_ns,
        memory_order_relaxed);
}

/* True when there were any: the plugin may take again what it refused. */
bool worker__take_results(struct worker *worker)
{
    uint32_t reports = atomic_load_explicit(&worker->reports, memory_order_acquire);

    if (reports == worker->reports_seen)
        return false;
    worker->reports_seen = reports;
    for (uint32_t i = worker->head; i != worker->next; i++) {
        struct slot *slot = worker__slot(worker, i);
        if (worker__slot_state(slot, memory_order_acquire) == SLOT_REPORTED)
            take_result(worker, slot);
    }
    worker__leave(worker);
    return true;
}

/* The instance is stopped: what it had counts as not durable. */
void worker__take_everything_back(struct worker *worker)
{
    (void)worker__take_results(worker);
    for (uint32_t i = worker->head; i != worker->tail; i++) {
        struct slot *slot = worker__slot(worker, i);
        if (worker__slot_state(slot, memory_order_acquire) == SLOT_LENT) {
            worker__slot_set(slot, SLOT_READY, memory_order_relaxed);
            worker->lent--;
        }
    }
    worker->next = worker->head;
}
