/* SPDX-License-Identifier: Apache-2.0
 *
 * source_host.c -- what a source's plugin calls: the host's side of leat_host.  [source], but for log,
 * now_ns and wake.  When there is no memory, or every sink has enough to do, the answer is AGAIN:
 * that is all there is to back-pressure.
 */
#include "source_loop_internal.h"

#include "stage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A sink that gave nothing back for so long does not set the pace. */
#define STANDS_STILL_NS ((int64_t)1000000000)

/* Has every sink so much to do that reading on would help none?  One that is merely slower sets the
 * pace from twice as much on: more would cost memory and win a moment.  One that stands still sets
 * none, so the others go on while there is memory. */
static bool must_rest(const struct source_loop *loop)
{
    size_t enough = loop->ahead_enough, least = SIZE_MAX;
    bool slower = false;

    if (loop->resting)
        enough -= enough / 4;
    for (uint32_t i = 0; i < loop->channel_count; i++) {
        if (atomic_load_explicit(&loop->channels[i].order, memory_order_relaxed) == CHANNEL_DROP)
            continue;
        if (loop->ahead[i] < least)
            least = loop->ahead[i];
        if (loop->ahead[i] >= 2 * enough &&
            clock_now_ns(loop->clock) - loop->gave_ns[i] < STANDS_STILL_NS)
            slower = true;
    }
    return slower || (least >= enough && least != SIZE_MAX);
}

static leat_status host_batch_open(const leat_host *host, leat_writer **out)
{
    struct source_loop *loop = source__loop_of(host);
    struct batch *batch;

    assert(!loop->open);
    *out = NULL;
    if (source__is_closed(loop))
        return LEAT_AGAIN;
    if ((loop->free_count == 0 || must_rest(loop)) && source__collect(loop))
        (void)source__advance(loop, false);
    if (loop->free_count == 0) {
        source__count(&loop->counters.starved, 1);
        return LEAT_AGAIN;
    }
    /* Only now: before, what sinks have given back since may not have been counted. */
    loop->resting = must_rest(loop);
    if (loop->resting)
        return LEAT_AGAIN;
    batch = loop->free_batches[--loop->free_count];
    memset(batch, 0, sizeof *batch);
    batch->writer.size = sizeof batch->writer;
    batch->writer.change_size = sizeof(leat_change);
    batch->writer.serial = loop->window.tail;
    batch->writer.safe_position = loop->last_safe;
    batch->opened_us = source__wall_us();
    loop->open = batch;
    *out = &batch->writer;
    return LEAT_OK;
}

static leat_status reject_size(const struct source_loop *loop, size_t size, leat_error *error)
{
    size_t slabs = (size_t)pool_slabs_for(&loop->pool, size + SPAN_HEADER) + 1;

    error->status = LEAT_EREJECT;
    (void)snprintf(error->text, sizeof error->text,
                   "needs %zu bytes, the source's share of memory is %zu: set memory to at least "
                   "%zuMiB",
                   size, pool_bytes(&loop->pool),
                   slabs * loop->pool.slab_size * loop->memory_factor / (1024 * 1024) + 1);
    return LEAT_EREJECT;
}

static leat_status host_batch_reserve(const leat_host *host, leat_writer *writer, size_t size,
                                      leat_error *error)
{
    struct source_loop *loop = source__loop_of(host);
    struct batch *batch = batch_of(writer);

    assert(batch == loop->open);
    if (size > span_room_max(&loop->pool))
        return reject_size(loop, size, error);
    if (!span_list_grow(&batch->memory, &loop->pool, &writer->arena, size) &&
        !(source__collect(loop) &&
          span_list_grow(&batch->memory, &loop->pool, &writer->arena, size))) {
        source__count(&loop->counters.starved, 1);
        return LEAT_AGAIN;
    }
    /* A slab that is there is filled, however small batch.size is: it costs the same. */
    if (batch->memory.slabs > 1 && batch->memory.slabs * loop->pool.slab_size >= loop->batch_size)
        writer->full = 1;
    return LEAT_OK;
}

/* A batch without a change only moves the safe position: of the newest batch in flight, or at once
 * where there is none. */
static void publish_empty(struct source_loop *loop, struct batch *batch)
{
    span_list_release(&batch->memory, &loop->pool);
    if (window_is_empty(&loop->window))
        window_idle(&loop->window, (position_seen){batch->writer.safe_position});
    else
        loop->window.slots[(loop->window.tail - 1) & loop->window.mask]->writer.safe_position =
            batch->writer.safe_position;
    loop->free_batches[loop->free_count++] = batch;
}

static void host_batch_publish(const leat_host *host, leat_writer *writer)
{
    struct source_loop *loop = source__loop_of(host);
    struct batch *batch = batch_of(writer);

    assert(batch == loop->open);
    assert(writer->arena.cur <= writer->arena.end);
    assert(writer->safe_position >= loop->last_safe);
    loop->open = NULL;
    loop->last_safe = writer->safe_position;
    if (writer->change_count == 0) {
        publish_empty(loop, batch);
        return;
    }
    batch->last = writer->last->identity;
    batch->pending = loop->channel_count;
    batch->bytes = batch->memory.slabs * loop->pool.slab_size -
                   (size_t)(writer->arena.end - writer->arena.cur);
    atomic_store_explicit(&batch->hold_until_ns, 0, memory_order_relaxed);
    source__count(&loop->counters.changes, writer->change_count);
    source__count(&loop->counters.batches, 1);
    source__measure(loop, batch);
    window_add(&loop->window, batch);
    loop->published++;
    source__show(loop);
    for (uint32_t i = 0; i < loop->channel_count; i++) {
        bool pushed = ring_push(&loop->channels[i].forward, batch);
        loop->ahead[i] += batch->bytes;
        assert(pushed);
        (void)pushed;
        doorbell_ring(&loop->channels[i].worker_bell);
    }
    stage_pass("batch_published");
}

static void host_begin(const leat_host *host, const leat_origin *origin)
{
    struct source_loop *loop = source__loop_of(host);

    journal_origin(loop->journal, origin);
    source__count(&loop->counters.begins, 1);
    atomic_store_explicit(&loop->counters.state, LEAT_STATE_STREAMING, memory_order_relaxed);
    if (LEAT_HAS(origin, leat_origin, newest))
        atomic_store_explicit(&loop->newest, origin->newest, memory_order_relaxed);
    if (!loop->begun) {
        loop->begun = true;
        if (origin->position > loop->last_safe)
            loop->last_safe = origin->position;
        (void)snprintf(loop->name_space_text, sizeof loop->name_space_text, "%s",
                       origin->name_space);
        /* Recorded at once, so that the next start knows that there was a first one. */
        window_idle(&loop->window, (position_seen){origin->position});
        if (source__is_proved(loop)) {
            (void)window_advance(&loop->window, clock_now_ns(loop->clock), source__batch_left,
                                 loop);
            journal_offer(loop->journal, loop->window.durable, NULL, true);
        }
        atomic_store_explicit(&loop->name_space, loop->name_space_text, memory_order_release);
        for (uint32_t i = 0; i < loop->channel_count; i++)
            doorbell_ring(&loop->channels[i].worker_bell);
    }
    stage_pass("source_connected");
}

static int32_t host_sinks_busy(const leat_host *host)
{
    struct source_loop *loop = source__loop_of(host);

    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (ring_count(&loop->channels[i].forward) == 0)
            return 0;
    return loop->channel_count > 0;
}

static void host_idle_position(const leat_host *host, uint64_t position)
{
    window_idle(&source__loop_of(host)->window, (position_seen){position});
}

static void host_confirm_soon(const leat_host *host)
{
    struct source_loop *loop = source__loop_of(host);

    (void)source__collect(loop);
    if (!source__advance(loop, true))
        journal_urge(loop->journal);
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    source__loop_of(host)->log(host, level, message, fields, field_count);
}

static int64_t host_now_ns(const leat_host *host)
{
    return clock_now_ns(source__loop_of(host)->clock);
}

static void host_wake(const leat_host *host)
{
    doorbell_force(&source__loop_of(host)->bell);
}

void source__host_init(struct source_loop *loop)
{
    loop->host = (leat_host){
        .size = sizeof loop->host,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .instance = "source",
        .wake_fd = loop->bell.fd,
        .log = host_log,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .begin = host_begin,
        .batch_open = host_batch_open,
        .batch_reserve = host_batch_reserve,
        .batch_publish = host_batch_publish,
        .sinks_busy = host_sinks_busy,
        .idle_position = host_idle_position,
        .confirm_soon = host_confirm_soon,
    };
}
