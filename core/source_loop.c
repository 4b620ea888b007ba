/* SPDX-License-Identifier: Apache-2.0
 *
 * source_loop.c -- see source_loop.h.  What the plugin calls is in source_host.c.
 */
#include "source_loop_internal.h"

#include "stage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* At full speed a sink that answers within 20 ms needs no more than this. */
#define AHEAD_LEAST ((size_t)16 << 20)
#define TRIM_AFTER_NS ((int64_t)5000000000)

/* ---- taking back and settling --------------------------------------------------------------- */

void source__batch_left(void *context, struct batch *batch)
{
    struct source_loop *loop = context;

    source__expect_confirmation(loop, batch);
    loop->free_batches[loop->free_count++] = batch;
}

bool source__collect(struct source_loop *loop)
{
    bool any = false;

    for (uint32_t i = 0; i < loop->channel_count; i++) {
        struct batch *batch;
        if (ring_count(&loop->channels[i].reclaim) > 0)
            loop->gave_ns[i] = clock_now_ns(loop->clock);
        while ((batch = ring_pop(&loop->channels[i].reclaim)) != NULL) {
            assert(batch->pending > 0);
            loop->channels[i].returned++;
            assert(loop->ahead[i] >= batch->bytes);
            loop->ahead[i] -= batch->bytes;
            if (--batch->pending == 0)
                span_list_release(&batch->memory, &loop->pool);
            any = true;
        }
    }
    return any;
}

/* No more batches are handed out. */
bool source__is_closed(struct source_loop *loop)
{
    return atomic_load_explicit(&loop->draining, memory_order_relaxed) ||
           atomic_load_explicit(&loop->held, memory_order_acquire);
}

/* Have all sinks shown what was demanded of them, if anything was? */
bool source__is_proved(struct source_loop *loop)
{
    if (atomic_load_explicit(&loop->proof.position, memory_order_relaxed) == 0)
        return true;
    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (!atomic_load_explicit(&loop->channels[i].proved, memory_order_acquire) &&
            atomic_load_explicit(&loop->channels[i].order, memory_order_relaxed) != CHANNEL_DROP)
            return false;
    return true;
}

/* What became durable goes to the journal; false: nothing moved. */
bool source__advance(struct source_loop *loop, bool urgent)
{
    if (!source__is_proved(loop) ||
        !window_advance(&loop->window, clock_now_ns(loop->clock), source__batch_left, loop))
        return false;
    journal_offer(loop->journal, loop->window.durable,
                  loop->window.has_identity ? &loop->window.durable_last : NULL,
                  urgent || source__is_closed(loop));
    return true;
}

/* Tells the plugin what is on disk by now, and what was given back. */
static void tell(struct source_loop *loop)
{
    uint64_t recorded = atomic_load_explicit(&loop->journal->recorded, memory_order_acquire);

    if (recorded == loop->told.durable_position &&
        loop->window.head - 1 == loop->told.returned_serial)
        return;
    stage_pass("before_feedback");
    loop->told.durable_position = recorded;
    loop->told.returned_serial = loop->window.head - 1;
    loop->ops->progress(loop->source, &loop->told);
    source__measure_confirmed(loop, recorded);
}

/* After a burst the pages of the pool go back to the system, once nothing has moved for a while. */
static void trim_when_idle(struct source_loop *loop)
{
    int64_t now_ns;

    if (loop->pool.touched <= 16 || !window_is_empty(&loop->window) || loop->open) {
        loop->trim_at_ns = 0;
        return;
    }
    now_ns = clock_now_ns(loop->clock);
    if (loop->trim_at_ns == 0) {
        loop->trim_at_ns = now_ns + TRIM_AFTER_NS;
    } else if (now_ns >= loop->trim_at_ns) {
        pool_trim(&loop->pool);
        loop->trim_at_ns = 0;
    }
}

static bool work_waits(struct source_loop *loop)
{
    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (ring_count(&loop->channels[i].reclaim) > 0)
            return true;
    return atomic_load_explicit(&loop->journal->recorded, memory_order_acquire) !=
           loop->told.durable_position;
}

static int32_t wait_limit(struct source_loop *loop, int32_t max_wait_ms)
{
    int64_t now_ns = clock_now_ns(loop->clock);
    int64_t next_ns = window_next_ns(&loop->window, now_ns);
    int32_t wait_ms = max_wait_ms;

    if (loop->trim_at_ns > 0 && (next_ns < 0 || loop->trim_at_ns - now_ns < next_ns))
        next_ns = loop->trim_at_ns > now_ns ? loop->trim_at_ns - now_ns : 0;
    if (next_ns >= 0) {
        int64_t next_ms = next_ns / 1000000 + 1;
        if (next_ms > 60000)
            next_ms = 60000;
        if (wait_ms < 0 || next_ms < wait_ms)
            wait_ms = (int32_t)next_ms;
    }
    return wait_ms;
}

/* True when a sink has just given back its last one. */
static bool count_left(struct source_loop *loop)
{
    bool moved = !atomic_load_explicit(&loop->counted, memory_order_relaxed);

    for (uint32_t i = 0; i < loop->channel_count; i++) {
        uint64_t left = loop->published - loop->channels[i].returned;
        if (left == 0 && atomic_load_explicit(&loop->channels[i].left, memory_order_relaxed) > 0)
            moved = true;
        atomic_store_explicit(&loop->channels[i].left, left, memory_order_relaxed);
    }
    atomic_store_explicit(&loop->counted, true, memory_order_release);
    return moved;
}

/* While it is held: says when nothing moves any more, which somebody may wait for. */
static void settle(struct source_loop *loop)
{
    bool settled, stuck;

    if (!atomic_load_explicit(&loop->held, memory_order_acquire))
        return;
    settled = source_loop_is_drained(loop);
    stuck = source_loop_is_stuck(loop);
    if (!settled)
        journal_urge(loop->journal);
    if (!count_left(loop) &&
        settled == atomic_load_explicit(&loop->settled, memory_order_relaxed) &&
        stuck == atomic_load_explicit(&loop->stuck, memory_order_relaxed))
        return;
    atomic_store_explicit(&loop->settled, settled, memory_order_release);
    atomic_store_explicit(&loop->stuck, stuck, memory_order_release);
    doorbell_force(loop->journal->control_bell);
}

leat_status source_loop_step(struct source_loop *loop, int32_t max_wait_ms, leat_error *error)
{
    leat_status status;
    int32_t wait_ms;

    (void)source__collect(loop);
    (void)source__advance(loop, false);
    tell(loop);
    source__show(loop); /* before it is called settled: who sees that sees nothing in flight */
    settle(loop);
    trim_when_idle(loop);
    wait_ms = wait_limit(loop, max_wait_ms);
    doorbell_arm(&loop->bell);
    if (work_waits(loop))
        wait_ms = 0;
    source__count(&loop->counters.turns, 1);
    status = loop->ops->poll(loop->source, wait_ms, error);
    doorbell_disarm(&loop->bell);
    return status;
}

bool source_loop_is_drained(struct source_loop *loop)
{
    /* What a sink holds back (accepted, not durable yet) is not waited for: it stays unconfirmed, and
     * the next start finds that the sink has it. */
    return window_is_empty(&loop->window) && journal_is_settled(loop->journal) &&
           loop->told.durable_position ==
               atomic_load_explicit(&loop->journal->recorded, memory_order_acquire);
}

bool source_loop_is_stuck(struct source_loop *loop)
{
    bool any = false;

    for (uint32_t i = 0; i < loop->channel_count; i++) {
        if (loop->channels[i].returned == loop->published)
            continue;
        any = true;
        if (atomic_load_explicit(&loop->channels[i].order, memory_order_relaxed) != CHANNEL_PAUSE)
            return false;
    }
    return any;
}

int source_loop_behind(struct source_loop *loop)
{
    int behind = -1;

    for (uint32_t i = 0; i < loop->channel_count; i++) {
        const struct channel *channel = &loop->channels[i];
        if (channel->returned == loop->published ||
            atomic_load_explicit(&channel->order, memory_order_relaxed) == CHANNEL_DROP)
            continue;
        if (behind < 0 || channel->returned < loop->channels[behind].returned)
            behind = (int)i;
    }
    return behind;
}

void source_loop_hold(struct source_loop *loop, bool held)
{
    if (held) {
        atomic_store_explicit(&loop->settled, false, memory_order_relaxed);
        atomic_store_explicit(&loop->stuck, false, memory_order_relaxed);
        atomic_store_explicit(&loop->counted, false, memory_order_relaxed);
    }
    atomic_store_explicit(&loop->held, held, memory_order_release);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool make_batches(struct source_loop *loop)
{
    loop->batch_count = loop->pool.count;
    loop->batches = calloc(loop->batch_count, sizeof *loop->batches);
    loop->free_batches = calloc(loop->batch_count, sizeof(struct batch *));
    if (!loop->batches || !loop->free_batches)
        return false;
    for (uint32_t i = 0; i < loop->batch_count; i++)
        loop->free_batches[loop->free_count++] = &loop->batches[loop->batch_count - 1 - i];
    if (!window_init(&loop->window, loop->batch_count))
        return false;
    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (!ring_init(&loop->channels[i].forward, loop->batch_count) ||
            !ring_init(&loop->channels[i].reclaim, loop->batch_count))
            return false;
    return true;
}

bool source_loop_init(struct source_loop *loop, const struct source_loop_setup *setup)
{
    memset(loop, 0, sizeof *loop);
    note_init(&loop->state_detail);
    loop->bell.fd = -1;
    loop->clock = setup->clock;
    loop->ops = setup->ops;
    loop->batch_size = setup->batch_size;
    loop->ahead_enough = setup->memory / 16 > AHEAD_LEAST ? setup->memory / 16 : AHEAD_LEAST;
    if (loop->ahead_enough < 4 * setup->batch_size)
        loop->ahead_enough = 4 * setup->batch_size;
    loop->memory_factor = setup->memory_factor;
    loop->channels = setup->channels;
    loop->channel_count = setup->channel_count;
    loop->journal = setup->journal;
    loop->log = setup->log;
    loop->told.size = sizeof loop->told;
    for (uint32_t i = 0; i < loop->channel_count; i++) {
        loop->channels[i].source_bell = &loop->bell;
        loop->channels[i].worker_bell.fd = -1;
    }
    if (!tally_init(&loop->tally, setup->tally_tables) || !doorbell_init(&loop->bell) ||
        !pool_init(&loop->pool, setup->memory, SLAB_SIZE, setup->mlock) || !make_batches(loop))
        return false;
    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (!doorbell_init(&loop->channels[i].worker_bell))
            return false;
    source__host_init(loop);
    loop->host.pipeline = setup->pipeline;
    loop->host.max_delay_us = setup->max_delay_us;
    loop->host.extension = setup->extension;
    return true;
}

void source_loop_fini(struct source_loop *loop)
{
    for (uint32_t i = 0; i < loop->channel_count; i++) {
        ring_fini(&loop->channels[i].forward);
        ring_fini(&loop->channels[i].reclaim);
        doorbell_fini(&loop->channels[i].worker_bell);
    }
    window_fini(&loop->window);
    free(loop->batches);
    free(loop->free_batches);
    pool_fini(&loop->pool);
    doorbell_fini(&loop->bell);
    tally_fini(&loop->tally);
    note_fini(&loop->state_detail);
}
