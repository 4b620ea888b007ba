/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c -- see window.h.
 */
#include "window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Marks closer together than this share one: a hold of minutes needs no finer grain. */
#define MARK_GRAIN_NS ((int64_t)1000000000)

bool window_init(struct window *window, uint32_t capacity)
{
    uint32_t size = 1;

    memset(window, 0, sizeof *window);
    while (size < capacity)
        size *= 2;
    window->slots = calloc(size, sizeof *window->slots);
    window->mask = size - 1;
    window->head = window->tail = 1;
    return window->slots != NULL;
}

void window_fini(struct window *window)
{
    free(window->slots);
    window->slots = NULL;
}

void window_add(struct window *window, struct batch *batch)
{
    assert(window->tail - window->head <= window->mask);
    assert(batch->writer.serial == window->tail);
    window->slots[window->tail & window->mask] = batch;
    window->tail++;
}

void window_idle(struct window *window, position_seen position)
{
    if (position.value > window->idle.value)
        window->idle = position;
}

static struct window_mark *newest_mark(struct window *window)
{
    return &window->marks[(window->mark_head + window->mark_count - 1) % WINDOW_MARKS];
}

/* The newest mark may take this one over when both wait anyway and are close, or no place is left:
 * waiting longer is always safe. */
static void mark_add(struct window *window, int64_t ready_ns, uint64_t position, leat_identity last)
{
    struct window_mark *mark;

    if (window->mark_count > 0) {
        mark = newest_mark(window);
        if (ready_ns < mark->ready_ns)
            ready_ns = mark->ready_ns;
        /* Only a mark that is not the sole one may be put off again and again. */
        if (window->mark_count == WINDOW_MARKS ||
            (window->mark_count > 1 && ready_ns - mark->ready_ns < MARK_GRAIN_NS &&
             ready_ns - window->marks[(window->mark_head + window->mark_count - 2) % WINDOW_MARKS]
                            .ready_ns <
                 MARK_GRAIN_NS)) {
            *mark = (struct window_mark){ready_ns, position, last};
            return;
        }
    }
    window->mark_count++;
    *newest_mark(window) = (struct window_mark){ready_ns, position, last};
}

static bool marks_advance(struct window *window, int64_t now_ns)
{
    bool moved = false;

    while (window->mark_count > 0 && window->marks[window->mark_head].ready_ns <= now_ns) {
        const struct window_mark *mark = &window->marks[window->mark_head];
        if (mark->position > window->durable.value) {
            window->durable = durable_from_window((position_seen){mark->position});
            moved = true;
        }
        if (mark->last.position != 0) {
            moved = moved || leat_identity_compare(mark->last, window->durable_last) > 0;
            window->durable_last = mark->last;
            window->has_identity = true;
        }
        window->mark_head = (window->mark_head + 1) % WINDOW_MARKS;
        window->mark_count--;
    }
    return moved;
}

bool window_advance(struct window *window, int64_t now_ns, void (*leave)(void *, struct batch *),
                    void *context)
{
    int64_t ready_ns = 0;
    bool left = false;

    while (window->head != window->tail) {
        struct batch *batch = window->slots[window->head & window->mask];
        int64_t hold_ns;

        if (batch->pending > 0)
            break;
        hold_ns = atomic_load_explicit(&batch->hold_until_ns, memory_order_relaxed);
        if (hold_ns > ready_ns)
            ready_ns = hold_ns;
        window->last_safe = batch->writer.safe_position;
        window->last_identity = batch->last;
        window->head++;
        left = true;
        leave(context, batch);
    }
    /* Rule 3 of the fault rules: a position without changes counts once nothing is in flight. */
    if (window_is_empty(window) && window->idle.value > window->last_safe) {
        window->last_safe = window->idle.value;
        left = true;
    }
    if (left)
        mark_add(window, ready_ns, window->last_safe, window->last_identity);
    return marks_advance(window, now_ns);
}

int64_t window_next_ns(const struct window *window, int64_t now_ns)
{
    int64_t left;

    if (window->mark_count == 0)
        return -1;
    left = window->marks[window->mark_head].ready_ns - now_ns;
    return left > 0 ? left : 0;
}
