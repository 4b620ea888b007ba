/* SPDX-License-Identifier: Apache-2.0
 *
 * feedback.h -- what PostgreSQL is told about our positions, and when.  [worker]
 *
 * Pure arithmetic over positions and times: no socket, no clock.  Invariants:
 *   - only a wal_durable ever becomes the flushed and applied position of a message;
 *   - it never goes back, and is never 0: PostgreSQL takes the written position for the flushed one
 *     where that is 0 (WalSndDone), so the stream's start, which is durable by definition, is the
 *     first value;
 *   - a message is at most `interval` apart from the one before, and at least FEEDBACK_PAUSE_NS,
 *     unless the server waits for an answer that has become better.
 */
#ifndef LEAT_PGOUTPUT_FEEDBACK_H
#define LEAT_PGOUTPUT_FEEDBACK_H

#include "wal.h"

#define FEEDBACK_SIZE 34
#define FEEDBACK_PAUSE_NS (100 * INT64_C(1000000))

struct feedback {
    int64_t interval_ns;
    int64_t sent_ns;
    wal_durable durable, sent;
    wal_seen seen;
    bool owed; /* the server asked and has not been answered since */
};

/* A stream begins at `start`.  server_timeout_ms is wal_sender_timeout, 0 where there is none. */
void feedback_begin(struct feedback *feedback, wal_durable start, int64_t interval_ms,
                    int64_t server_timeout_ms, int64_t now_ns);

void feedback_see(struct feedback *feedback, wal_seen position);
void feedback_durable(struct feedback *feedback, wal_durable position);

/* When the next message is due (may lie in the past). */
int64_t feedback_due(const struct feedback *feedback);

/* The Standby status update message (PostgreSQL manual, Streaming Replication Protocol). */
void feedback_message(struct feedback *feedback, int64_t now_ns, int64_t wall_us, bool ask,
                      char out[FEEDBACK_SIZE]);

#endif
