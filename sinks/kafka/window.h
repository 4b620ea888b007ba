/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h -- what is lent to us and what is on its way.  [worker] Never touches the host.
 *
 * Batches queue in a ring: head <= cursor <= tail.  Those before the cursor are produced whole, the
 * one under it perhaps in part.  Every message that is produced (or skipped, because the topic
 * holds it) takes the next number; released <= low <= next.  Below low every message is
 * acknowledged; below released it is also counted to its batch.  In transactions `released` waits
 * for the commit. next - released never exceeds the ring, so that nothing here allocates after
 * window_init.
 */
#ifndef KAFKA_WINDOW_H
#define KAFKA_WINDOW_H

#include <leat/plugin.h>

struct window_batch {
    const leat_batch *batch; /* lent */
    uint32_t at, part;       /* the record, and the message of it, that comes next */
    uint32_t durable;        /* leading records that are */
};

struct window {
    unsigned char *flags; /* owned; of message n at n & mask */
    uint64_t mask;
    uint64_t released, low, next;
    uint64_t flying, bytes;       /* produced and not acknowledged */
    struct window_batch *batches; /* owned */
    uint64_t batch_mask, head, cursor, tail;
};

bool window_init(struct window *window, uint64_t messages); /* [main] false: no memory */
void window_fini(struct window *window);                    /* [main] */
void window_reset(struct window *window);

bool window_full(const struct window *window); /* no room for another batch */
void window_lend(struct window *window, const leat_batch *batch);

/* The batch with the next record to produce; NULL: none. */
struct window_batch *window_current(struct window *window);
struct window_batch *window_head(struct window *window); /* the oldest; NULL: none */
void window_pop(struct window *window);                  /* forgets the oldest */

/* One message may be added. */
bool window_room(const struct window *window);
/* The number of the next message, given to it before it is sent ... */
uint64_t window_number(const struct window *window);
/* ... and then taken.  skipped: it is there already.  Moves the cursor on. */
void window_take(struct window *window, bool skipped, bool last_of_record, size_t bytes);
/* Message `number` is durable. */
void window_acknowledge(struct window *window, uint64_t number, size_t bytes);
/* Counts everything up to message `limit` to its batches. */
void window_release(struct window *window, uint64_t limit);

#endif
