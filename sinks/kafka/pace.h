/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.h -- how much librdkafka is given at a time.  [worker] Never touches host or library.
 *
 * Messages go out in rounds of at most half a window.  A round ends when it is full, or when the
 * host has no more at present; at most PACE_ROUNDS of them are unacknowledged, and only one where
 * the brokers take long.  Librdkafka sends a partition's next request only when fewer than five of
 * its messages are on their way; while more wait, and for longer than linger.ms, its broker thread
 * polls without a pause (docs/adr/0204-kafka-pace.md).  So what would wait there waits in the host.
 */
#ifndef KAFKA_PACE_H
#define KAFKA_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_ROUNDS = 2, PACE_LINGER_MS = 10 };

struct pace_round {
    uint64_t end;     /* the number behind its last message */
    int64_t ended_ns; /* when it was full, or flushed */
};

struct pace {
    uint64_t most_messages, most_bytes;    /* of a round */
    uint64_t messages, bytes;              /* of the open one */
    int64_t place;                         /* where all of it goes; PACE_MIXED: to several places */
    struct pace_round rounds[PACE_ROUNDS]; /* ended and not acknowledged: a ring */
    uint64_t first, count;                 /* of the ring */
    bool slow; /* the last round took longer than messages may wait in the library */
};

enum { PACE_MIXED = -1 };

/* How many messages a round of such a window has. */
uint64_t pace_messages(uint64_t window_messages);
/* Rounds for a window of that size; `largest` is the most that fits into one request. */
void pace_init(struct pace *pace, uint64_t window_messages, uint64_t window_bytes,
               uint64_t largest);
void pace_reset(struct pace *pace);
/* Forgets rounds whose messages are all below `low`, which are acknowledged. */
void pace_acknowledge(struct pace *pace, uint64_t low, int64_t now_ns);
/* The open round has no room for a message of `size`: it is to be ended. */
bool pace_full(const struct pace *pace, size_t size);
/* There is a round to which a message may be added; asked when the open one is not full. */
bool pace_room(const struct pace *pace);
/* A message was added; place: a number for its topic and partition, not negative. */
void pace_count(struct pace *pace, size_t size, int64_t place);
/* There is an open round with something in it. */
bool pace_open(const struct pace *pace);
/* Ends the open round; `next` is the number behind its last message.  True: it is one full request,
 * which leaves by itself; false: it has to be flushed. */
bool pace_end(struct pace *pace, uint64_t next, int64_t now_ns);

#endif
