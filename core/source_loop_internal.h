/* SPDX-License-Identifier: Apache-2.0
 *
 * source_loop_internal.h -- what source_loop.c (the step), source_host.c (what the plugin calls) and
 * source_figures.c (what others may see) share.  [source]
 */
#ifndef LEAT_SOURCE_LOOP_INTERNAL_H
#define LEAT_SOURCE_LOOP_INTERNAL_H

#include "source_loop.h"

static inline struct source_loop *source__loop_of(const leat_host *host)
{
    return (struct source_loop *)(void *)(uintptr_t)host;
}

static inline void source__count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* source_loop.c */
/* Takes back what the workers have given back; true when that was anything. */
bool source__collect(struct source_loop *loop);
/* What became durable goes to the journal; false: nothing moved. */
bool source__advance(struct source_loop *loop, bool urgent);
/* No more batches are handed out. */
bool source__is_closed(struct source_loop *loop);
/* Have all sinks shown what was demanded of them, if anything was? */
bool source__is_proved(struct source_loop *loop);
/* As window_advance wants it: the batch is free again. */
void source__batch_left(void *context, struct batch *batch);

/* source_host.c */
/* [main] Fills loop->host, but for what the setup says of it. */
void source__host_init(struct source_loop *loop);

/* source_figures.c */
/* Shows how things stand; once a step and once a batch. */
void source__show(struct source_loop *loop);
int64_t source__wall_us(void);
/* A batch is about to be published. */
void source__measure(struct source_loop *loop, struct batch *batch);
/* A batch has left the window: when it is confirmed, its latency counts. */
void source__expect_confirmation(struct source_loop *loop, const struct batch *batch);
/* All up to here was confirmed. */
void source__measure_confirmed(struct source_loop *loop, uint64_t recorded);

#endif
