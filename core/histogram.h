/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.h -- how long things took, in fixed buckets.
 *
 * One thread adds (once a batch or part, never once a record), any thread reads: relaxed, so a
 * reader may see a count without its sum; both are there at the next look.
 */
#ifndef LEAT_HISTOGRAM_H
#define LEAT_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 18

/* Upper bounds in microseconds; what is longer goes into the bucket behind the last one. */
static const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100,    250,    500,    1000,    2500,    5000,     10000,    25000,     50000,
    100000, 250000, 500000, 1000000, 2500000, 10000000, 60000000, 300000000, 3600000000};

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    _Atomic uint64_t sum_us;
};

static inline void histogram__raise(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* [owner] A negative time (clocks of two machines) counts as none. */
static inline void histogram_add(struct histogram *histogram, int64_t us)
{
    uint32_t at = 0;

    if (us < 0)
        us = 0;
    while (at < HISTOGRAM_BOUNDS && us > (int64_t)histogram_bounds_us[at])
        at++;
    histogram__raise(&histogram->buckets[at], 1);
    histogram__raise(&histogram->sum_us, (uint64_t)us);
}

/* What a reader takes away. */
struct histogram_copy {
    uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    uint64_t sum_us;
};

/* [any] */
static inline void histogram_read(struct histogram *histogram, struct histogram_copy *out)
{
    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        out->buckets[i] = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    out->sum_us = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
}

#endif
