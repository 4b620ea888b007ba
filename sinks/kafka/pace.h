/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.h -- how much librdkafka is given at a time.  [worker] Never touches host or library.
 *
 * Messages go out in rounds.  A round ends when it is full, or when the host has no more for now;
 * at most PACE_ROUNDS of them are unacknowledged.  A full round is as many messages as librdkafka
 * puts into one request, so a partition never has more requests on their way than an idempotent
 * producer may have.  With one more, and messages waiting behind it, librdkafka's broker thread
 * polls without a pause until the oldest is answered (docs/adr/0204-kafka-pace.md).
 */
#ifndef KAFKA_PACE_H
#define KAFKA_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_ROUNDS = 4 };

struct pace {
    uint64_t most_messages, most_bytes; /* of a round */
    uint64_t messages, bytes;           /* of the open one */
    uint64_t ends[PACE_ROUNDS]; /* a ring: the number behind each ended round's last message */
    uint64_t first, count;      /* of the ring: first <= ended rounds < first + count */
};

/* How many messages a round of such a window has. */
uint64_t pace_messages(uint64_t window_messages);
/* Rounds for a window of that size; `largest` is the most that fits into one request. */
void pace_init(struct pace *pace, uint64_t window_messages, uint64_t window_bytes,
               uint64_t largest);
void pace_reset(struct pace *pace);
/* A message of `size` may be added, now that everything below number `low` is acknowledged.  Ends
 * the open round if it is full. */
bool pace_room(struct pace *pace, uint64_t low, uint64_t next, size_t size);
void pace_count(struct pace *pace, size_t size);
/* There is an open round with something in it. */
bool pace_open(const struct pace *pace);
/* Ends the open round; `next` is the number behind its last message. */
void pace_end(struct pace *pace, uint64_t next);

#endif
