/* SPDX-License-Identifier: Apache-2.0
 *
 * atomic.c -- whole transactions in atomic batches (NATS ADR-50: headers only).  [worker]
 *
 * As many whole transactions as fit into 1,000 messages become one batch: a reader of the stream
 * never sees half of one.  A transaction that is larger goes in parts, and the first message of
 * each says which (leat-part: 1, 2, ...).  A batch is written at once, so nothing of it waits in
 * the server; its last message carries the commit, whose acknowledgement is the batch's.
 */
#include "message.h"

#include <stdio.h>

enum { GROUPS_IN_FLIGHT = 4 };
/* When the rest of a transaction does not come, the host's memory may be full of it (or the source
 * has lost its server): it goes in parts.  So much of it waits for a second, less for longer. */
enum { PATIENCE_BYTES = 1 << 20, PATIENCE_MS = 1000, LONG_PATIENCE_MS = 5000 };

struct extent { /* what the next batch will hold */
    uint32_t messages;
    uint64_t bytes;
    bool whole; /* it ends where a transaction does */
    bool full;  /* nothing more can be added to it */
};

static bool next_place(const struct window *window, struct place *place)
{
    if (++place->record == window_lent(window, place->batch)->count) {
        place->record = 0;
        place->batch++;
    }
    return place->batch != window->tail;
}

static bool ends_transaction(const struct window *window, struct place place,
                             const leat_record *record)
{
    if (record->flags & LEAT_CHANGE_TX_LAST)
        return true;
    if (record->op == LEAT_MESSAGE && !(record->flags & LEAT_CHANGE_TRANSACTIONAL))
        return true;
    struct place next = place;
    return next_place(window, &next) &&
           window_record(window, next)->identity.position != record->identity.position;
}

/* How much of what waits makes one batch: whole transactions, or a part of one that is too large,
 * or that the stream holds in part. */
static struct extent measure(struct publisher *publisher, struct place place, bool cut)
{
    const struct window *window = publisher->window;
    struct extent now = {0}, whole = {0};
    size_t cursor = publisher->skip->cursor; /* looking ahead must not move it */
    do {
        const leat_record *record = window_record(window, place);
        bool held = publisher->skip->count && skip_holds(publisher->skip, record->identity);
        if (held || !publisher_may_send(publisher, record, MESSAGE_FIXED + record->id.len + 64)) {
            /* What stands before it goes first; at the head it is the one to reject. */
            publisher->rejected = !held && !now.messages;
            whole.full = now.full = true;
            break;
        }
        now.messages++;
        now.bytes += record->value.len;
        now.whole = ends_transaction(window, place, record);
        if (now.whole)
            whole = now;
        if (now.messages == ATOMIC_MAX || now.bytes >= publisher_atomic_bytes(publisher->options)) {
            whole.full = now.full = true;
            break;
        }
    } while (next_place(window, &place));
    publisher->skip->cursor = cursor;
    return whole.messages || (!now.full && !cut) ? whole : now;
}

static void open_group(struct publisher *publisher, struct extent extent)
{
    publisher->group.count = extent.messages;
    publisher->group.at = 0;
    publisher->group.whole = extent.whole;
    /* The inbox's random part makes the name unique among connections. */
    publisher->group.id_len =
        (size_t)snprintf(publisher->group.id, sizeof publisher->group.id, "%.20s%llu",
                         publisher->client->inbox + publisher->client->inbox_len - 11,
                         (unsigned long long)++publisher->group_number);
    publisher->group.flight =
        (struct flight){.messages = (uint16_t)extent.messages, .bytes = (uint32_t)extent.bytes};
    publisher->part = !extent.whole || publisher->part ? publisher->part + 1 : 0;
}

/* Writes on at the open batch.  False: no room for the next message now. */
static bool write_group(struct publisher *publisher)
{
    struct window *window = publisher->window;
    struct place place;
    while (publisher->group.at < publisher->group.count) {
        uint32_t at = publisher->group.at + 1;
        bool last = at == publisher->group.count;
        (void)window_next(window, &place);
        const leat_record *record = window_record(window, place);
        struct message message = {.subject = record->route,
                                  .id = record->id,
                                  .payload = record->value,
                                  .kind = last      ? 'a'
                                          : at == 1 ? 'b'
                                                    : '\0',
                                  .number = window->next_message,
                                  .count = 1,
                                  .batch_sequence = at,
                                  .part = at == 1 ? publisher->part : 0,
                                  .batch_id = {publisher->group.id, publisher->group.id_len},
                                  .commit = last};
        if (!message_write(publisher, &message))
            return false;
        if (at == 1)
            publisher->group.flight.first = place;
        publisher->group.flight.last = place;
        publisher->group.at = at;
        window_pass(window, window->next_message);
    }
    return true;
}

static void close_group(struct publisher *publisher)
{
    publisher->sequence += publisher->group.count;
    publisher->group.flight.expected = publisher->sequence;
    (void)window_launch(publisher->window, &publisher->group.flight);
    publisher->group.count = 0;
    if (publisher->group.whole)
        publisher->part = 0;
}

/* Is it hopeless to wait for the end of the transaction that waits? */
static bool must_cut(struct publisher *publisher)
{
    uint64_t unsent = publisher->window->unsent_bytes;
    int64_t now = socket_clock_ms();
    if (!publisher->patient_until_ms || unsent != publisher->patient_bytes) {
        publisher->patient_bytes = unsent;
        publisher->patient_until_ms =
            now + (unsent >= PATIENCE_BYTES ? PATIENCE_MS : LONG_PATIENCE_MS);
    }
    return now >= publisher->patient_until_ms;
}

/* False: it is not time for another batch. */
static bool begin(struct publisher *publisher, bool idle)
{
    struct window *window = publisher->window;
    struct place place;
    publisher_skip(publisher);
    uint64_t out = window->next_message - window->head_message;
    if (!window_next(window, &place) || out >= GROUPS_IN_FLIGHT || (out && publisher->cautious) ||
        window->bytes >= (uint64_t)publisher->options->window_size)
        return false;
    struct extent extent = measure(publisher, place, false);
    if (!extent.messages && idle && !out && must_cut(publisher))
        extent = measure(publisher, place, true);
    if (extent.messages)
        publisher->patient_until_ms = 0;
    /* Small batches are dear for the server: while others are on their way and more may come, let
     * this one grow. */
    if (!extent.messages || (!extent.full && (!idle || out >= 2)))
        return false;
    open_group(publisher, extent);
    return true;
}

void publisher_run_atomic(struct publisher *publisher, bool idle)
{
    while (publisher->group.count || begin(publisher, idle)) {
        if (!write_group(publisher))
            return;
        close_group(publisher);
    }
}
