/* SPDX-License-Identifier: Apache-2.0
 *
 * window.c -- see the header.
 */
#include "window.h"
#include "options.h"

#include <assert.h>
#include <stdlib.h>

bool window_init(struct window *window)
{
    memset(window, 0, sizeof *window);
    window->lents = calloc(WINDOW_BATCHES, sizeof *window->lents);
    window->flights = calloc(WINDOW_MAX, sizeof *window->flights);
    window_clear(window);
    return window->lents && window->flights;
}

void window_fini(struct window *window)
{
    free(window->lents);
    free(window->flights);
    window->lents = NULL;
    window->flights = NULL;
}

void window_clear(struct window *window)
{
    window->head = window->sending = window->tail;
    window->record = 0;
    /* Numbers go on, so that a late answer never means another message. */
    window->head_message = window->next_message = window->next_message ? window->next_message : 1;
    window->messages = window->bytes = window->answered = 0;
    window->unsent_records = window->unsent_bytes = 0;
}

struct lent *window_lent(const struct window *window, uint32_t batch)
{
    return &window->lents[batch % WINDOW_BATCHES];
}

struct flight *window_flight(const struct window *window, uint64_t message)
{
    return &window->flights[message % WINDOW_MAX];
}

const leat_record *window_record(const struct window *window, struct place place)
{
    const struct lent *lent = window_lent(window, place.batch);
    return (const leat_record *)(const void *)(lent->records + (size_t)place.record * lent->stride);
}

bool window_accept(struct window *window, const leat_batch *batch)
{
    if (window->tail - window->head == WINDOW_BATCHES)
        return false;
    for (uint32_t i = 0; i < batch->record_count; i++)
        window->unsent_bytes += leat_batch_at(batch, i)->value.len;
    window->unsent_records += batch->record_count;
    *window_lent(window, window->tail++) = (struct lent){.token = batch->token,
                                                         .records = batch->records,
                                                         .count = batch->record_count,
                                                         .stride = batch->record_stride};
    return true;
}

bool window_next(const struct window *window, struct place *place)
{
    *place = (struct place){window->sending, window->record};
    return window->sending != window->tail;
}

void window_pass(struct window *window, uint64_t message)
{
    struct lent *lent = window_lent(window, window->sending);
    window->unsent_records--;
    window->unsent_bytes -=
        window_record(window, (struct place){window->sending, window->record})->value.len;
    if (++window->record < lent->count)
        return;
    lent->last_message = message;
    lent->sent = true;
    window->sending++;
    window->record = 0;
}

uint64_t window_launch(struct window *window, const struct flight *flight)
{
    assert(window->next_message - window->head_message < WINDOW_MAX);
    *window_flight(window, window->next_message) = *flight;
    window->messages += flight->messages;
    window->bytes += flight->bytes;
    return window->next_message++;
}

bool window_advance(struct window *window)
{
    while (window->head_message < window->next_message) {
        const struct flight *flight = window_flight(window, window->head_message);
        if (flight->state != FLIGHT_STORED)
            return false;
        window->messages -= flight->messages;
        window->bytes -= flight->bytes;
        window->head_message++;
        window->answered--;
    }
    return true;
}

struct lent *window_finished(struct window *window)
{
    struct lent *lent = window_lent(window, window->head);
    if (window->head == window->tail || !lent->sent || lent->last_message >= window->head_message)
        return NULL;
    return lent;
}

bool window_settled(const struct window *window)
{
    return window->answered == window->next_message - window->head_message;
}
