/* SPDX-License-Identifier: Apache-2.0
 *
 * source_loop.c -- see source_loop.h.  What the plugin calls is in the second half.
 */
#include "source_loop.h"

#include "stage.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* At full speed a sink that answers within 20 ms needs no more than this. */
#define AHEAD_LEAST ((size_t)16 << 20)
#define TRIM_AFTER_NS ((int64_t)5000000000)

static struct source_loop *loop_of(const leat_host *host)
{
    return (struct source_loop *)(void *)(uintptr_t)host;
}

static void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* ---- what others may see: once a step and once a batch ---------------------------------------- */

static void show(struct source_loop *loop)
{
    struct source_counters *counters = &loop->counters;
    uint64_t seen =
        loop->window.idle.value > loop->last_safe ? loop->window.idle.value : loop->last_safe;
    int64_t oldest_us = 0;

    if (!window_is_empty(&loop->window))
        oldest_us = loop->window.slots[loop->window.head & loop->window.mask]->first_commit_us;
    if (seen > atomic_load_explicit(&counters->received, memory_order_relaxed))
        atomic_store_explicit(&counters->received, seen, memory_order_relaxed);
    atomic_store_explicit(&counters->durable, loop->window.durable.value, memory_order_relaxed);
    atomic_store_explicit(&counters->in_flight, loop->window.tail - loop->window.head,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->pool_used, loop->pool.used * loop->pool.slab_size,
                          memory_order_relaxed);
    atomic_store_explicit(&counters->oldest_commit_us, oldest_us, memory_order_relaxed);
}

/* 0 for what is no time of a commit: none, or one before the year 2000. */
static int64_t commit_us(const leat_transaction *transaction)
{
    return transaction && transaction->commit_us > INT64_C(946684800000000) ? transaction->commit_us
                                                                            : 0;
}

static int64_t wall_us(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

static void measure(struct source_loop *loop, struct batch *batch)
{
    batch->published_ns = clock_now_ns(loop->clock);
    batch->first_commit_us = commit_us(batch->writer.first->transaction);
    batch->last_commit_us = commit_us(batch->writer.last->transaction);
    batch->ends_transaction = (batch->writer.last->flags & LEAT_CHANGE_TX_LAST) != 0;
    tally_add(&loop->tally, batch->writer.first);
    if (batch->first_commit_us != 0)
        histogram_add(&loop->commit_to_received, batch->opened_us - batch->first_commit_us);
    if (batch->last_commit_us != 0)
        histogram_add(&loop->commit_to_published, wall_us() - batch->last_commit_us);
}

/* Half of the samples go, and from now on half as many come. */
static void thin_out(struct source_loop *loop)
{
    for (uint32_t i = 0; i < CONFIRM_SAMPLES / 2; i++)
        loop->samples[i] = loop->samples[2 * i];
    loop->sample_count = CONFIRM_SAMPLES / 2;
    loop->sample_stride *= 2;
}

static void expect_confirmation(struct source_loop *loop, const struct batch *batch)
{
    if (!batch->ends_transaction || batch->last_commit_us == 0)
        return;
    if (loop->sample_count == 0)
        loop->sample_stride = 1;
    if (++loop->sample_skip < loop->sample_stride)
        return;
    loop->sample_skip = 0;
    if (loop->sample_count == CONFIRM_SAMPLES)
        thin_out(loop);
    loop->samples[loop->sample_count++] =
        (struct confirm_sample){batch->writer.safe_position, batch->last_commit_us};
}

static void measure_confirmed(struct source_loop *loop, uint64_t recorded)
{
    uint32_t done = 0;
    int64_t now_us;

    if (loop->sample_count == 0 || loop->samples[0].position > recorded)
        return;
    now_us = wall_us();
    for (; done < loop->sample_count && loop->samples[done].position <= recorded; done++)
        histogram_add(&loop->commit_to_confirmed, now_us - loop->samples[done].commit_us);
    loop->sample_count -= done;
    memmove(loop->samples, loop->samples + done, loop->sample_count * sizeof *loop->samples);
}

/* ---- taking back and settling --------------------------------------------------------------- */

static void batch_left(void *context, struct batch *batch)
{
    struct source_loop *loop = context;

    expect_confirmation(loop, batch);
    loop->free_batches[loop->free_count++] = batch;
}

static bool collect(struct source_loop *loop)
{
    bool any = false;

    for (uint32_t i = 0; i < loop->channel_count; i++) {
        struct batch *batch;
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
static bool is_closed(struct source_loop *loop)
{
    return atomic_load_explicit(&loop->draining, memory_order_relaxed) ||
           atomic_load_explicit(&loop->held, memory_order_acquire);
}

/* Have all sinks shown what was demanded of them, if anything was? */
static bool is_proved(struct source_loop *loop)
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
static bool advance(struct source_loop *loop, bool urgent)
{
    if (!is_proved(loop) ||
        !window_advance(&loop->window, clock_now_ns(loop->clock), batch_left, loop))
        return false;
    journal_offer(loop->journal, loop->window.durable,
                  loop->window.has_identity ? &loop->window.durable_last : NULL,
                  urgent || is_closed(loop));
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
    measure_confirmed(loop, recorded);
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

    (void)collect(loop);
    (void)advance(loop, false);
    tell(loop);
    settle(loop);
    trim_when_idle(loop);
    wait_ms = wait_limit(loop, max_wait_ms);
    doorbell_arm(&loop->bell);
    if (work_waits(loop))
        wait_ms = 0;
    count(&loop->counters.turns, 1);
    show(loop);
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

/* ---- what the plugin calls ------------------------------------------------------------------ */

/* Has every sink so much to do that reading on would help none? */
static bool must_rest(struct source_loop *loop)
{
    size_t enough = loop->ahead_enough, least = SIZE_MAX;

    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (loop->ahead[i] < least &&
            atomic_load_explicit(&loop->channels[i].order, memory_order_relaxed) != CHANNEL_DROP)
            least = loop->ahead[i];
    if (loop->resting)
        enough -= enough / 4;
    loop->resting = least >= enough && least != SIZE_MAX;
    return loop->resting;
}

static leat_status host_batch_open(const leat_host *host, leat_writer **out)
{
    struct source_loop *loop = loop_of(host);
    struct batch *batch;

    assert(!loop->open);
    *out = NULL;
    if (is_closed(loop))
        return LEAT_AGAIN;
    if ((loop->free_count == 0 || must_rest(loop)) && collect(loop))
        (void)advance(loop, false);
    if (loop->free_count == 0) {
        count(&loop->counters.starved, 1);
        return LEAT_AGAIN;
    }
    if (must_rest(loop))
        return LEAT_AGAIN;
    batch = loop->free_batches[--loop->free_count];
    memset(batch, 0, sizeof *batch);
    batch->writer.size = sizeof batch->writer;
    batch->writer.change_size = sizeof(leat_change);
    batch->writer.serial = loop->window.tail;
    batch->writer.safe_position = loop->last_safe;
    batch->opened_us = wall_us();
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
    struct source_loop *loop = loop_of(host);
    struct batch *batch = batch_of(writer);

    assert(batch == loop->open);
    if (size > span_room_max(&loop->pool))
        return reject_size(loop, size, error);
    if (!span_list_grow(&batch->memory, &loop->pool, &writer->arena, size) &&
        !(collect(loop) && span_list_grow(&batch->memory, &loop->pool, &writer->arena, size))) {
        count(&loop->counters.starved, 1);
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
    struct source_loop *loop = loop_of(host);
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
    count(&loop->counters.changes, writer->change_count);
    count(&loop->counters.batches, 1);
    measure(loop, batch);
    window_add(&loop->window, batch);
    loop->published++;
    show(loop);
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
    struct source_loop *loop = loop_of(host);

    journal_origin(loop->journal, origin);
    count(&loop->counters.begins, 1);
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
        if (is_proved(loop)) {
            (void)window_advance(&loop->window, clock_now_ns(loop->clock), batch_left, loop);
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
    struct source_loop *loop = loop_of(host);

    for (uint32_t i = 0; i < loop->channel_count; i++)
        if (ring_count(&loop->channels[i].forward) == 0)
            return 0;
    return loop->channel_count > 0;
}

static void host_idle_position(const leat_host *host, uint64_t position)
{
    window_idle(&loop_of(host)->window, (position_seen){position});
}

static void host_confirm_soon(const leat_host *host)
{
    struct source_loop *loop = loop_of(host);

    (void)collect(loop);
    if (!advance(loop, true))
        journal_urge(loop->journal);
}

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    loop_of(host)->log(host, level, message, fields, field_count);
}

static int64_t host_now_ns(const leat_host *host)
{
    return clock_now_ns(loop_of(host)->clock);
}

static void host_wake(const leat_host *host)
{
    doorbell_force(&loop_of(host)->bell);
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
    loop->host = (leat_host){
        .size = sizeof loop->host,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = setup->pipeline,
        .instance = "source",
        .wake_fd = loop->bell.fd,
        .max_delay_us = setup->max_delay_us,
        .log = host_log,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .extension = setup->extension,
        .begin = host_begin,
        .batch_open = host_batch_open,
        .batch_reserve = host_batch_reserve,
        .batch_publish = host_batch_publish,
        .sinks_busy = host_sinks_busy,
        .idle_position = host_idle_position,
        .confirm_soon = host_confirm_soon,
    };
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
