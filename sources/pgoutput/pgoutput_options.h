/* SPDX-License-Identifier: Apache-2.0
 *
 * pgoutput_options.h -- what the configuration of this source fills in.  plugin.c has the table.
 * Immutable once filled, so [any] thread may read it.
 */
#ifndef LEAT_PGOUTPUT_OPTIONS_H
#define LEAT_PGOUTPUT_OPTIONS_H

#include <leat/plugin.h>

struct pgoutput_options {
    const char *dsn;
    const char *slot;
    leat_strings publication;
    bool create_slot;
    int64_t status_interval_ms;
    int64_t connect_timeout_ms;
    int64_t reconnect_max_ms;
    int64_t liveness_timeout_ms; /* 0: twice the status interval, at least 30 s */
    int64_t release_after_ms;    /* 0: never */
    int64_t json, array, composite;
    int64_t types_max, relations_max;
    bool failover;
    int64_t heartbeat_ms;                           /* 0: none */
    const char *accept_gap;                         /* an LSN, or NULL */
    int64_t guard_interval_ms;                      /* 0: no guard */
    int64_t guard_warn_bytes, guard_critical_bytes; /* 0: not by size */
    int64_t guard_warn_percent,
        guard_critical_percent; /* of max_slot_wal_keep_size; 0: not by it */
    int64_t guard_action;       /* enum guard_action */
    const char *guard_run;      /* a shell command, or NULL */
    int64_t guard_run_timeout_ms;
};

enum guard_action { GUARD_LOG = 0, GUARD_DROP_SINK, GUARD_STOP };

/* [main] What the table cannot say: the slot's alphabet, names that are not empty, a dsn that libpq
 * can read.  OK, or ECONFIG with *error. */
leat_status options_check(const struct pgoutput_options *options, leat_error *error);

/* [any] Silence of a connection that is not told from death. */
int64_t options_liveness_ms(const struct pgoutput_options *options);

#endif
