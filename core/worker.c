/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c -- a sink's thread, one step at a time: what its state allows now is done, then it waits
 * for the next event.  [worker]  See worker.h.
 *
 * It never waits while there is something to do, and never longer than its caller allows.  What it
 * steps through is in files of their own: how a batch becomes parts in worker_encode.c, and a change a
 * record in worker_record.c, what the plugin answers in worker_results.c, how its instance begins
 * and goes down in worker_instance.c, how all of it is made in worker_setup.c, what comes over it
 * from outside in worker_change.c.
 */
#include "worker.h"

#include "stage.h"
#include "worker_internal.h"

#include <poll.h>
#include <stdio.h>

/* ---- lending -------------------------------------------------------------------------------- */

/* Each time under a new token: what comes late for an earlier time is found out. */
static void lend(struct worker *worker, struct slot *slot)
{
    slot->generation++;
    slot->offer = (leat_batch){
        .size = sizeof slot->offer,
        .record_count = slot->record_count - slot->durable,
        .record_stride = sizeof(leat_record),
        .attempt = slot->attempt,
        .token = (uint64_t)slot->generation << 32 | (worker->next & (WORKER_SLOTS - 1)),
        .records = slot->records + (size_t)slot->durable * sizeof(leat_record),
    };
    worker__slot_set(slot, SLOT_LENT, memory_order_release);
}

/* True when something was lent or skipped. */
static bool submit_next(struct worker *worker)
{
    struct slot *slot;
    leat_status status;

    if (worker->next == worker->tail && !worker__encode_next(worker))
        return false;
    slot = worker__slot(worker, worker->next);
    if (worker__slot_state(slot, memory_order_relaxed) != SLOT_READY) {
        worker->next++; /* finished before what is retried now */
        return true;
    }
    lend(worker, slot);
    status = worker->ops->submit(worker->sink, &slot->offer);
    if (status == LEAT_OK) {
        if (slot->attempt++ == 0 && slot->last_part)
            worker__since_commit(&worker->commit_to_submitted, slot->batch);
        worker->lent++;
        worker->next++;
        worker__count(&worker->counters.batches, 1);
        stage_pass("submitted");
        return true;
    }
    worker__slot_set(slot, SLOT_READY, memory_order_relaxed);
    if (status != LEAT_AGAIN) {
        leat_error error = {.size = sizeof error, .status = LEAT_EFATAL, .exit_code = 70};
        (void)snprintf(error.text, sizeof error.text,
                       "submit returned %d, which is neither OK nor AGAIN: a bug of the plugin",
                       (int)status);
        worker__fail(worker, &error);
    }
    return false;
}

/* ---- what the state allows ------------------------------------------------------------------ */

static void poll_plugin(struct worker *worker, int32_t wait_ms)
{
    leat_error error = {.size = sizeof error};
    leat_status status;

    if (!worker->ops->poll) {
        struct pollfd fd = {.fd = worker->channel->worker_bell.fd, .events = POLLIN};
        if (wait_ms != 0)
            (void)poll(&fd, 1, wait_ms);
        return;
    }
    status = worker->ops->poll(worker->sink, wait_ms, &error);
    if (status == LEAT_OK || status == LEAT_AGAIN)
        return;
    if (status == LEAT_ERETRY) {
        worker__instance_down(worker, &error);
        return;
    }
    (void)worker__take_results(worker);
    error.status = status;
    if (worker->state != WORKER_FAILED)
        worker__fail(worker, &error);
}

static int32_t until_retry(struct worker *worker)
{
    int64_t left_ns = worker->retry_at_ns - clock_now_ns(worker->clock);

    return left_ns <= 0 ? 0 : (int32_t)(left_ns / 1000000 + 1);
}

static bool run(struct worker *worker)
{
    bool any = false;

    while (worker->state == WORKER_RUNNING && !worker__is_asked(worker, CHANNEL_PAUSE) &&
           submit_next(worker)) {
        any = true;
        (void)worker__take_results(worker);
    }
    if (worker->state == WORKER_RUNNING)
        poll_plugin(worker, 0);
    if (worker__take_results(worker))
        any = true;
    worker__leave(worker);
    return any || worker->state != WORKER_RUNNING; /* down or failed: there is a next thing to do */
}

/* What the state allows now; returns how long the thread may then wait. */
static int32_t act(struct worker *worker)
{
    switch (worker->state) {
    case WORKER_WAITING:
        if (!atomic_load_explicit(worker->name_space, memory_order_acquire))
            return -1;
        worker__instance_start(worker);
        return 0;
    case WORKER_STARTING:
        worker__instance_start(worker);
        return worker->state == WORKER_STARTING ? 50 : 0;
    case WORKER_RUNNING:
        return run(worker) ? 0 : -1;
    case WORKER_RECOVERING:
        if (worker->lent > 0)
            return -1;
        worker->next = worker->head;
        worker__back_off(worker, WORKER_RETRYING, worker->asked_ms);
        return 0;
    case WORKER_RETRYING:
        if (until_retry(worker) > 0)
            return until_retry(worker);
        worker__enter(worker, WORKER_RUNNING);
        return 0;
    case WORKER_DOWN:
        if (until_retry(worker) > 0)
            return until_retry(worker);
        worker__instance_start(worker);
        return 0;
    case WORKER_FAILED:
    case WORKER_DROPPED:
    case WORKER_PAUSED:
        return 0;
    }
    return 0;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static int32_t shorter(int32_t a_ms, int32_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Rule 11 of the fault rules: nobody waits for ever in silence. */
static int32_t watch_for_stall(struct worker *worker)
{
    int64_t limit_ns = worker->config->stall_warning_ms * 1000000;
    int64_t now_ns, oldest_ns;

    if (worker->head == worker->tail || limit_ns == 0 || worker__is_asked(worker, CHANNEL_PAUSE))
        return -1;
    now_ns = clock_now_ns(worker->clock);
    oldest_ns = worker__slot(worker, worker->head)->encoded_ns;
    if (worker->stall_logged_ns > oldest_ns)
        oldest_ns = worker->stall_logged_ns;
    if (now_ns - oldest_ns >= limit_ns) {
        struct slot *slot = worker__slot(worker, worker->head);
        leat_identity first = worker__record(slot, slot->durable)->identity;
        leat_field fields[] = {
            LEAT_F_INT("age_ms", (now_ns - slot->encoded_ns) / 1000000),
            LEAT_F_LSN("lsn", first.position),
            LEAT_F_INT("seq", first.seq),
            LEAT_F_STR("waits_for", worker__state_text(worker->state)),
        };
        worker->log(&worker->host, LEAT_LOG_WARN, "oldest record is not acknowledged", fields, 4);
        worker->stall_logged_ns = now_ns;
        oldest_ns = now_ns;
    }
    return (int32_t)((limit_ns - (now_ns - oldest_ns)) / 1000000 + 1);
}

static bool must_not_sleep(struct worker *worker)
{
    if (atomic_load_explicit(&worker->reports, memory_order_acquire) != worker->reports_seen ||
        atomic_exchange_explicit(&worker->wake_asked, false, memory_order_acquire) ||
        atomic_load_explicit(&worker->stopping, memory_order_acquire) ||
        atomic_load_explicit(&worker->channel->stopping, memory_order_acquire) ||
        worker__is_asked(worker, CHANNEL_DROP))
        return true;
    if (worker->state == WORKER_WAITING)
        return atomic_load_explicit(worker->name_space, memory_order_acquire) != NULL;
    return worker->state == WORKER_RUNNING && worker->next == worker->tail && !worker->no_memory &&
           !worker__is_asked(worker, CHANNEL_PAUSE) && worker__can_encode(worker);
}

static void wait_for_work(struct worker *worker, int32_t wait_ms)
{
    struct pollfd fd = {.fd = worker->channel->worker_bell.fd, .events = POLLIN};

    /* Nothing left to encode: a source that naps while rows pour in may look now, on this core. */
    if (worker->state == WORKER_RUNNING && worker->next == worker->tail)
        doorbell_ring(worker->channel->source_bell);
    doorbell_arm(&worker->channel->worker_bell);
    if (!must_not_sleep(worker)) {
        /* An instance that is up waits for its own events too; one that is down has none. */
        if (worker->state == WORKER_RUNNING || worker->state == WORKER_STARTING ||
            worker->state == WORKER_RECOVERING || worker->state == WORKER_RETRYING)
            poll_plugin(worker, wait_ms);
        else
            (void)poll(&fd, 1, wait_ms);
    }
    doorbell_disarm(&worker->channel->worker_bell);
}

/* ---- the step ------------------------------------------------------------------------------- */

/* What others may see: once a step. */
static void show(struct worker *worker)
{
    struct worker_counters *counters = &worker->counters;

    bool paused = worker->state == WORKER_RUNNING && worker__is_asked(worker, CHANNEL_PAUSE);

    worker__count(&counters->turns, 1);
    atomic_store_explicit(&counters->state, paused ? WORKER_PAUSED : (int)worker->state,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->lent, worker->lent, memory_order_relaxed);
    atomic_store_explicit(&counters->queued, worker->tail - worker->next, memory_order_relaxed);
    atomic_store_explicit(&counters->pool_used, worker->pool.used * worker->pool.slab_size,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->accepted,
                          worker->has_accepted ? worker->accepted.position
                                               : worker->skip_until.position,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->retry_at_ns, worker->retry_at_ns, memory_order_relaxed);
}

bool worker_step(struct worker *worker, int32_t max_wait_ms)
{
    int32_t wait_ms;

    if (worker->state != WORKER_FAILED &&
        (worker->state == WORKER_DROPPED || worker__is_asked(worker, CHANNEL_DROP))) {
        show(worker);
        return worker__dropped_step(worker, max_wait_ms);
    }
    (void)worker__take_results(worker);
    wait_ms = act(worker);
    show(worker);
    if (worker->state == WORKER_FAILED)
        return false;
    wait_ms = shorter(wait_ms, max_wait_ms);
    if (wait_ms != 0) {
        wait_ms = shorter(wait_ms, watch_for_stall(worker));
        wait_for_work(worker, wait_ms);
    }
    return worker->state != WORKER_FAILED;
}

void worker_stop(struct worker *worker, uint32_t deadline_ms)
{
    if (worker->state != WORKER_WAITING && worker->state != WORKER_DOWN &&
        worker->state != WORKER_DROPPED)
        (void)worker->ops->stop(worker->sink, deadline_ms);
    worker__take_everything_back(worker);
    worker__leave(worker);
}
