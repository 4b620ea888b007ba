/* SPDX-License-Identifier: Apache-2.0
 *
 * source_figures.c -- what others may see of a source: counters, the age of what is in flight, and
 * how long commits take to be received, published and confirmed.  [source]
 */
#include "source_loop_internal.h"

#include <string.h>
#include <time.h>

void source__show(struct source_loop *loop)
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

int64_t source__wall_us(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

void source__measure(struct source_loop *loop, struct batch *batch)
{
    batch->published_ns = clock_now_ns(loop->clock);
    batch->first_commit_us = commit_us(batch->writer.first->transaction);
    batch->last_commit_us = commit_us(batch->writer.last->transaction);
    batch->ends_transaction = (batch->writer.last->flags & LEAT_CHANGE_TX_LAST) != 0;
    tally_add(&loop->tally, batch->writer.first);
    if (batch->first_commit_us != 0)
        histogram_add(&loop->commit_to_received, batch->opened_us - batch->first_commit_us);
    if (batch->last_commit_us != 0)
        histogram_add(&loop->commit_to_published, source__wall_us() - batch->last_commit_us);
}

/* Half of the samples go, and from now on half as many come. */
static void thin_out(struct source_loop *loop)
{
    for (uint32_t i = 0; i < CONFIRM_SAMPLES / 2; i++)
        loop->samples[i] = loop->samples[2 * i];
    loop->sample_count = CONFIRM_SAMPLES / 2;
    loop->sample_stride *= 2;
}

void source__expect_confirmation(struct source_loop *loop, const struct batch *batch)
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

void source__measure_confirmed(struct source_loop *loop, uint64_t recorded)
{
    uint32_t done = 0;
    int64_t now_us;

    if (loop->sample_count == 0 || loop->samples[0].position > recorded)
        return;
    now_us = source__wall_us();
    for (; done < loop->sample_count && loop->samples[done].position <= recorded; done++)
        histogram_add(&loop->commit_to_confirmed, now_us - loop->samples[done].commit_us);
    loop->sample_count -= done;
    memmove(loop->samples, loop->samples + done, loop->sample_count * sizeof *loop->samples);
}
