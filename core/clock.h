/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h -- the time, reached through one function so that a test can bring its own.  [any]
 *
 * All timers use the monotonic clock; the wall clock appears in log lines and records only.
 */
#ifndef LEAT_CLOCK_H
#define LEAT_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now_ns)(const struct clock *); /* monotonic */
};

extern const struct clock clock_real;

static inline int64_t clock_now_ns(const struct clock *clock)
{
    return clock->now_ns(clock);
}

#endif
