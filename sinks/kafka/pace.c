/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.c -- see the header.
 */
#include "pace.h"

#include <assert.h>

uint64_t pace_messages(uint64_t window_messages)
{
    return window_messages > PACE_ROUNDS ? window_messages / PACE_ROUNDS : 1;
}

void pace_init(struct pace *pace, uint64_t window_messages, uint64_t window_bytes, uint64_t largest)
{
    uint64_t bytes = window_bytes / PACE_ROUNDS;
    *pace = (struct pace){.most_messages = pace_messages(window_messages)};
    pace->most_bytes = bytes < largest ? bytes : largest;
}

void pace_reset(struct pace *pace)
{
    pace->messages = pace->bytes = 0;
    pace->first = pace->count = 0;
}

bool pace_open(const struct pace *pace)
{
    return pace->messages > 0;
}

void pace_end(struct pace *pace, uint64_t next)
{
    assert(pace_open(pace) && pace->count < PACE_ROUNDS);
    pace->ends[(pace->first + pace->count++) % PACE_ROUNDS] = next;
    pace->messages = pace->bytes = 0;
}

bool pace_room(struct pace *pace, uint64_t low, uint64_t next, size_t size)
{
    while (pace->count && pace->ends[pace->first % PACE_ROUNDS] <= low) {
        pace->first++;
        pace->count--;
    }
    if (pace_open(pace) &&
        (pace->messages >= pace->most_messages || pace->bytes + size > pace->most_bytes))
        pace_end(pace, next);
    return pace_open(pace) || pace->count < PACE_ROUNDS;
}

void pace_count(struct pace *pace, size_t size)
{
    pace->messages++;
    pace->bytes += size;
}
