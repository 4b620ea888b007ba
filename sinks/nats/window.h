/* SPDX-License-Identifier: Apache-2.0
 *
 * window.h -- what is between submit and batch_done: lent batches, and messages on their way.
 * One sink's, used by its worker.  Sends nothing and reports nothing; publish.c fills it, sink.c
 * empties it.
 *
 *   batches:   head <= acked <= sending <= tail         (numbers that only grow)
 *   messages:  head_message <= next_message, at most WINDOW_MAX apart
 *
 * A message carries a run of records, maybe across batches; a batch is acknowledged when the
 * message with its last record, and every one before it, is.
 */
#ifndef NATS_WINDOW_H
#define NATS_WINDOW_H

#include "identity.h"

enum { WINDOW_BATCHES = 1024 }; /* a power of two, as WINDOW_MAX */

struct place { /* a record: which batch, which record of it */
    uint32_t batch, record;
};

struct lent {
    uint64_t token;
    const unsigned char *records; /* lent */
    uint32_t count, stride;
    uint64_t last_message; /* carries its last record; with `sent` */
    bool sent;
};

enum { FLIGHT_OUT = 0, FLIGHT_STORED, FLIGHT_FAILED };

struct flight {
    struct place first, last;
    uint32_t bytes;
    uint16_t messages; /* 1, or those of an atomic batch */
    uint8_t state;
    uint64_t expected; /* with dedupe: sequence, the stream's sequence that its last one gets */
};

struct window {
    struct lent *lents;     /* owned: WINDOW_BATCHES */
    struct flight *flights; /* owned: WINDOW_MAX */
    uint32_t head, sending, tail;
    uint32_t record; /* of the batch `sending`: the next one to send */
    uint64_t head_message, next_message;
    uint64_t messages, bytes;              /* on their way */
    uint64_t unsent_records, unsent_bytes; /* lent, and in no message yet */
    uint64_t answered; /* flights from head_message on that are not FLIGHT_OUT */
};

bool window_init(struct window *window);
void window_fini(struct window *window); /* forgives a zeroed one */
void window_clear(struct window *window);

struct lent *window_lent(const struct window *window, uint32_t batch);
struct flight *window_flight(const struct window *window, uint64_t message);
const leat_record *window_record(const struct window *window, struct place place);

/* False: no room for another batch. */
bool window_accept(struct window *window, const leat_batch *batch);
/* The next record to send; false: there is none. */
bool window_next(const struct window *window, struct place *place);
/* The record was given to `message` (or, skipped, to the one before it): moves on. */
void window_pass(struct window *window, uint64_t message);
/* A new message on its way; its number. */
uint64_t window_launch(struct window *window, const struct flight *flight);
/* Drops acknowledged messages from the head; false: the head is still out, or failed. */
bool window_advance(struct window *window);
/* The oldest batch, when everything of it is acknowledged. */
struct lent *window_finished(struct window *window);
/* No message is unanswered. */
bool window_settled(const struct window *window);

#endif
