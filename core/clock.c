/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c -- the real clock.  [any]
 */
#include "clock.h"

#include <time.h>

static int64_t real_now_ns(const struct clock *clock)
{
    struct timespec now;

    (void)clock;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const struct clock clock_real = {real_now_ns};
