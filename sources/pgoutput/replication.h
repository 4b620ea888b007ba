/* SPDX-License-Identifier: Apache-2.0
 *
 * replication.h -- the stream: CopyData in, feedback out.  [worker]
 *
 * Invariants:
 *   - a message is offered to the decoder until it is taken; while one is pending nothing more is
 *     read, and feedback goes on;
 *   - libpq's buffer is emptied before more is read from the socket: the other way round it grows
 *     without bound behind a backlog, and is moved for each row;
 *   - a keepalive's position is handed to the host only between transactions, behind everything
 *     that came before it.
 */
#ifndef LEAT_PGOUTPUT_REPLICATION_H
#define LEAT_PGOUTPUT_REPLICATION_H

#include "feedback.h"
#include "pace.h"

#include <leat/plugin.h>
#include <libpq-fe.h>

struct replication {
    struct feedback feedback;
    char *pending; /* owned (PQfreemem); NULL: none */
    int pending_size;
    int64_t pending_since_ns, pending_retry_ns;
    int64_t heard_ns, pinged_ns;
    wal_seen asked;         /* the server asked for this to be confirmed, and it cannot be yet */
    unsigned asked_times;   /* in a row */
    int64_t asked_since_ns; /* the first of them */
    int64_t liveness_ns;
    int64_t begun_ns;
    struct pace pace;
    bool hung_up;       /* poll(2) said so while nothing may be read    */
    bool unsent;        /* libpq holds bytes that the socket did not take */
    uint64_t begin_lsn; /* commit LSN of the transaction that came last */
    int64_t begin_us;   /* its commit time, since 1970 */
    uint64_t last_lsn;  /* start of the message that came last          */
};

/* A stream begins on source->conn. */
void replication_begin(leat_source *source);

/* source->durable has moved: the server is told, at once where the last message is some time ago.
 */
void replication_durable(leat_source *source);

/* Drops what is pending.  The connection is not touched. */
void replication_end(leat_source *source);

/* One round: feedback, all that the socket has (within bounds), publishing, and then a nap or a
 * wait.  OK.  ERETRY: the stream ended, *error says why, and *server_error is true where the server
 * refused to go on.  Others: the pipeline's end. */
leat_status replication_round(leat_source *source, int32_t max_wait_ms, bool *server_error,
                              leat_error *error);

/* Offers what is pending once more.  OK: taken, or there was none. */
leat_status replication_offer(leat_source *source, leat_error *error);

/* Says goodbye: the last durable position, the end of the copy, and the server's end of it. */
void replication_finish(leat_source *source, int64_t deadline_ns);

#endif
