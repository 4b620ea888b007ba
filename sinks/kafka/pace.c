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
    pace->ended_ns = 0;
    pace->pours = false;
}

void pace_acknowledge(struct pace *pace, uint64_t low, int64_t now_ns)
{
    while (pace->count && pace->rounds[pace->first % PACE_ROUNDS].end <= low) {
        int64_t took_ns = now_ns - pace->rounds[pace->first % PACE_ROUNDS].ended_ns;
        pace->slow = took_ns > (int64_t)PACE_LINGER_MS * 1000000;
        pace->first++;
        pace->count--;
    }
}

bool pace_open(const struct pace *pace)
{
    return pace->messages > 0;
}

bool pace_full(const struct pace *pace, size_t size)
{
    return pace_open(pace) &&
           (pace->messages >= pace->most_messages || pace->bytes + size > pace->most_bytes);
}

bool pace_room(const struct pace *pace)
{
    return pace_open(pace) || pace->count < (pace->slow ? 1 : PACE_ROUNDS);
}

int64_t pace_due_ns(const struct pace *pace)
{
    if (!pace_open(pace) || pace->count)
        return INT64_MAX;
    return pace->began_ns + (pace->pours ? (int64_t)PACE_GATHER_MS * 1000000 : 0);
}

bool pace_first(const struct pace *pace)
{
    return pace->count <= 1;
}

void pace_count(struct pace *pace, size_t size, int64_t place, int64_t now_ns)
{
    assert(place >= 0 && !pace_full(pace, size));
    if (!pace_open(pace)) {
        pace->place = place;
        pace->began_ns = now_ns;
    } else if (pace->place != place) {
        pace->place = PACE_MIXED;
    }
    pace->messages++;
    pace->bytes += size;
}

bool pace_end(struct pace *pace, uint64_t next, int64_t now_ns)
{
    assert(pace_open(pace) && pace->count < PACE_ROUNDS);
    bool leaves = pace->place != PACE_MIXED && pace->messages >= pace->most_messages;
    int64_t took_ns = now_ns - pace->ended_ns;
    pace->pours = (int64_t)pace->messages * 1000000 > took_ns * PACE_POURS_PER_MS;
    pace->ended_ns = now_ns;
    pace->rounds[(pace->first + pace->count++) % PACE_ROUNDS] = (struct pace_round){next, now_ns};
    pace->messages = pace->bytes = 0;
    return leaves;
}
