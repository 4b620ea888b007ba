/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_figures.h -- what the guard sees, as figures of the host's extension "leat.metrics/1": with
 * leat_source_ in front in /metrics.  [worker]
 *
 * Their names, kinds and meanings are the table in guard_figures.c.  A figure that the server or
 * the role does not give (slot_safe_bytes without a limit, wal_directory_bytes without pg_monitor) is
 * absent.  slot_level is 0 ok, 1 warn, 2 critical; slot_condition and slot_wal_status are 1 under
 * the one label that holds.
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
