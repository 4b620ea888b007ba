/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_figures.h -- what the guard sees, as figures of the host's extension "leat.metrics/1": with
 * leat_source_ in front in /metrics.  [worker]
 *
 * slot_level                       0 ok, 1 warn, 2 critical
 * slot_condition{condition=}       1 for the one that holds: fine, missing, lost, foreign, taken,
 *                                  moved, rewound
 * slot_wal_status{status=}         1 for the one that holds: reserved, extended, unreserved, lost
 * slot_active                      1: somebody reads from it
 * slot_lag_bytes                   from what the slot has confirmed to the end of the server's WAL
 * slot_lag_seconds                 age of the oldest commit or WAL that it has not confirmed; 0:
 * none slot_retained_bytes              WAL that the server keeps for it slot_safe_bytes WAL that
 * may still be written before it is lost; absent without a limit slot_keep_limit_bytes
 * max_slot_wal_keep_size; absent without a limit slot_spill_transactions_total, slot_spills_total,
 * slot_spill_bytes_total: decoded to disk slot_stream_transactions_total, slot_streams_total,
 * slot_stream_bytes_total slot_decoded_transactions_total, slot_decoded_bytes_total
 * wal_bytes_per_second             growth of the server's WAL between the last two looks
 * wal_directory_bytes              size of pg_wal; only where the role may list it (pg_monitor)
 * guard_looks_total, guard_failures_total, guard_actions_total{action=log,run,drop_sink,stop}
 * heartbeats_total
 */
#ifndef LEAT_PGOUTPUT_GUARD_FIGURES_H
#define LEAT_PGOUTPUT_GUARD_FIGURES_H

#include "guard_rules.h"

enum figure {
    FIGURE_LEVEL,
    FIGURE_ACTIVE,
    FIGURE_LAG_BYTES,
    FIGURE_LAG_SECONDS,
    FIGURE_RETAINED,
    FIGURE_SAFE,
    FIGURE_KEEP_LIMIT,
    FIGURE_SPILL_TRANSACTIONS,
    FIGURE_SPILLS,
    FIGURE_SPILL_BYTES,
    FIGURE_STREAM_TRANSACTIONS,
    FIGURE_STREAMS,
    FIGURE_STREAM_BYTES,
    FIGURE_TRANSACTIONS,
    FIGURE_BYTES,
    FIGURE_WAL_SPEED,
    FIGURE_WAL_DIRECTORY,
    FIGURE_LOOKS,
    FIGURE_FAILURES,
    FIGURE_ACTED_LOG,
    FIGURE_ACTED_RUN,
    FIGURE_ACTED_DROP,
    FIGURE_ACTED_STOP,
    FIGURE_HEARTBEATS,
    FIGURE_CONDITIONS,                                     /* as many as there are */
    FIGURE_STATUSES = FIGURE_CONDITIONS + SLOT_CONDITIONS, /* four */
    FIGURES = FIGURE_STATUSES + 4
};

struct figures {
    const leat_host *host;
    const void *metrics; /* the host's extension; NULL: it wants none */
    int32_t numbers[FIGURES];
    double counts[FIGURES]; /* of what is counted here */
};

/* [main] */
void figures_init(struct figures *figures, const leat_host *host);

void figures_set(struct figures *figures, enum figure figure, double value);
void figures_count(struct figures *figures, enum figure figure);

/* All that one look at the slot gives, but the lag in seconds. */
void figures_look(struct figures *figures, const struct slot_facts *slot, enum guard_level level,
                  enum guard_condition condition);

#endif
