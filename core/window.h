/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h -- the batches in flight, in stream order, and what may be confirmed.
 *
 * Used by the source thread alone.  Batches enter at the tail when they are published, are marked
 * as given back by each sink in any order, and leave at the head: only over the longest prefix that
 * every sink has given back as durable does the confirmable position advance.  Where a sink asked
 * for a hold (durable only some time after it accepted), the position waits in a short queue of
 * marks until its time has come; marks are merged, so the queue is bounded.
 *
 * Invariants: serials in the window are consecutive; a mark's time and position never decrease.
 */
#ifndef LEAT_WINDOW_H
#define LEAT_WINDOW_H

#include "batch.h"
#include "position.h"

#include <leat/plugin.h>

#define WINDOW_MARKS 256

struct window_mark {
    int64_t ready_ns;
    uint64_t position; /* safe position; 0: none yet */
    leat_identity last;
};

struct window {
    struct batch **slots;
    uint32_t mask;
    uint64_t head, tail; /* serials: head is the oldest in flight, tail the next to come */
    position_seen idle;  /* behind the newest batch lies nothing of interest up to here */
    uint64_t last_safe;  /* of the newest batch that left */
    leat_identity last_identity;
    struct window_mark marks[WINDOW_MARKS];
    uint32_t mark_head, mark_count;
    position_durable durable;   /* what may be confirmed now */
    leat_identity durable_last; /* the newest identity at or before it */
    bool has_identity;
};

bool window_init(struct window *window, uint32_t capacity); /* [main] false: no memory */
void window_fini(struct window *window);

static inline bool window_is_empty(const struct window *window)
{
    return window->head == window->tail;
}

/* The batch gets its serial from the window: window->tail. */
void window_add(struct window *window, struct batch *batch);

/* Nothing of interest lies between the newest published change and the position. */
void window_idle(struct window *window, position_seen position);

/* Moves on over batches that every sink has given back; `leave` is called for each one that leaves.
 * True when the durable position moved. */
bool window_advance(struct window *window, int64_t now_ns, void (*leave)(void *, struct batch *),
                    void *context);

/* Nanoseconds until the next mark is ready; -1: none waits. */
int64_t window_next_ns(const struct window *window, int64_t now_ns);

#endif
