/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.h -- how much librdkafka is given at a time.  [worker] Never touches host or library.
 *
 * Messages go out in rounds of at most half a window.  A round ends when it is full, or when the
 * host has no more at present and no other round is on its way; where records pour in it is given a
 * little time to fill first.  At most PACE_ROUNDS of them are unacknowledged, and only one where
 * the brokers take long.  Librdkafka sends a partition's next request only when fewer than five of
 * its messages are on their way; while more wait, and for longer than linger.ms (or at all, while
 * it is being flushed), its broker thread polls without a pause (docs/adr/0204-kafka-pace.md).  So
 * what would wait there waits in the host, and nothing is flushed that could not leave.
 */
#ifndef KAFKA_PACE_H
#define KAFKA_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACE_ROUNDS = 2, PACE_LINGER_MS = 10 };
enum { PACE_POURS_PER_MS = 50, PACE_GATHER_MS = 5 }; /* records; how long a round then may fill */

struct pace_round {
    uint64_t end;     /* the number behind its last message */
    int64_t ended_ns; /* when it was full, or flushed */
};

struct pace {
    uint64_t most_messages, most_bytes;    /* of a round */
    uint64_t messages, bytes;              /* of the open one */
    int64_t began_ns;                      /* when it got its first message */
    int64_t ended_ns;                      /* when the one before it ended */
    bool pours;                            /* the last one was filled at more than the rate above */
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
void pace_count(struct pace *pace, size_t size, int64_t place, int64_t now_ns);
/* When the open round should end although it is not full, if the host has no more until then;
 * INT64_MAX: not before something is acknowledged. */
int64_t pace_due_ns(const struct pace *pace);
/* What has ended can leave as soon as it is flushed: no other round is before it. */
bool pace_first(const struct pace *pace);
/* There is an open round with something in it. */
bool pace_open(const struct pace *pace);
/* Ends the open round; `next` is the number behind its last message.  True: it is one full request,
 * which leaves by itself; false: it has to be flushed. */
bool pace_end(struct pace *pace, uint64_t next, int64_t now_ns);

#endif
