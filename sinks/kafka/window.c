/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c -- see the header.
 */
#include "window.h"

#include <assert.h>
#include <stdlib.h>

enum { MESSAGE_DONE = 1, MESSAGE_LAST = 2 };
enum { BATCHES = 4096 }; /* a transaction of Kafka's holds back all of its batches */

bool window_init(struct window *window, uint64_t messages)
{
    uint64_t room = 64;
    while (room < messages)
        room *= 2;
    *window = (struct window){.mask = room - 1, .batch_mask = BATCHES - 1};
    window->flags = calloc(room, 1);
    window->batches = calloc(BATCHES, sizeof *window->batches);
    return window->flags && window->batches;
}

void window_fini(struct window *window)
{
    free(window->flags);
    free(window->batches);
    *window = (struct window){0};
}

void window_reset(struct window *window)
{
    window->released = window->low = window->next = 0;
    window->flying = window->bytes = 0;
    window->head = window->cursor = window->tail = 0;
}

bool window_full(const struct window *window)
{
    return window->tail - window->head > window->batch_mask;
}

void window_lend(struct window *window, const leat_batch *batch)
{
    assert(!window_full(window));
    window->batches[window->tail++ & window->batch_mask] = (struct window_batch){.batch = batch};
}

struct window_batch *window_current(struct window *window)
{
    if (window->cursor == window->tail)
        return NULL;
    return &window->batches[window->cursor & window->batch_mask];
}

struct window_batch *window_head(struct window *window)
{
    if (window->head == window->tail)
        return NULL;
    return &window->batches[window->head & window->batch_mask];
}

void window_pop(struct window *window)
{
    assert(window->head != window->tail);
    if (window->cursor == window->head)
        window->cursor++;
    window->head++;
}

bool window_room(const struct window *window)
{
    return window->next - window->released <= window->mask;
}

uint64_t window_number(const struct window *window)
{
    return window->next;
}

void window_take(struct window *window, bool skipped, bool last_of_record, size_t bytes)
{
    struct window_batch *current = window_current(window);
    assert(current && window_room(window));
    window->flags[window->next & window->mask] =
        (unsigned char)((skipped ? MESSAGE_DONE : 0) | (last_of_record ? MESSAGE_LAST : 0));
    window->next++;
    if (!skipped) {
        window->flying++;
        window->bytes += bytes;
    }
    current->part++;
    if (last_of_record) {
        current->part = 0;
        if (++current->at == current->batch->record_count)
            window->cursor++;
    }
}

void window_acknowledge(struct window *window, uint64_t number, size_t bytes)
{
    assert(number >= window->low && number < window->next);
    window->flags[number & window->mask] |= MESSAGE_DONE;
    window->flying--;
    window->bytes -= bytes;
}

void window_release(struct window *window, uint64_t limit)
{
    while (window->low < window->next && (window->flags[window->low & window->mask] & MESSAGE_DONE))
        window->low++;
    if (limit > window->low)
        limit = window->low;
    uint64_t head = window->head;
    while (window->released < limit) {
        struct window_batch *batch = &window->batches[head & window->batch_mask];
        while (batch->durable == batch->batch->record_count)
            batch = &window->batches[++head & window->batch_mask];
        if (window->flags[window->released & window->mask] & MESSAGE_LAST)
            batch->durable++;
        window->released++;
    }
}
