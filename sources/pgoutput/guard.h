/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.h -- looks at the slot from outside, every guard.interval, over a connection of its own;
 * and sends the heartbeat over it.  [worker] but for create and destroy, which are [main].
 *
 * It is driven by the source's poll and never waits: the data path pays one comparison a round.  A
 * visit connects to the very server that the stream comes from (no name is asked for), asks, acts,
 * and closes, so that an idle connection never stands in the way of a shutdown.  What it sees goes
 * to the host as figures, see guard_figures.h; a level that changes is acted on once.
 */
#ifndef LEAT_PGOUTPUT_GUARD_H
#define LEAT_PGOUTPUT_GUARD_H

#include "connect.h"
#include "guard_rules.h"
#include "pgoutput_options.h"

/* What the source knows at this moment. */
struct guard_view {
    bool streaming;       /* the stream stands                                               */
    bool released;        /* it was given up because the sinks stand still; the slot is ours */
    int64_t own_pid;      /* of our walsender, which may end later than our connection */
    uint64_t durable_lsn; /* up to here we have told the server, or could */
    int64_t
        commit_us; /* of the newest transaction received, where some of it is not durable; or 0 */
    const char *database;
};

struct guard;

/* [main] Opens nothing.  NULL: no memory. */
struct guard *guard_create(const leat_host *host, const struct pgoutput_options *options);
void guard_destroy(struct guard *guard); /* NULL is allowed */

/* The stream has begun on this server. */
void guard_found(struct guard *guard, const PGconn *conn);

/* Does what can be done without waiting.  OK; or the pipeline has to end: *error says why. */
leat_status guard_step(struct guard *guard, const struct guard_view *view, leat_error *error);

/* For the source's one wait: the socket (-1: none) and its events, and when to come at the latest.
 */
int guard_wait(const struct guard *guard, short *events, int64_t *until_ns);

void guard_close(struct guard *guard);

#endif
