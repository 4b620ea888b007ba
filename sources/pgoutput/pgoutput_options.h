/* SPDX-License-Identifier: Apache-2.0
 *
 * pgoutput_options.h -- what the configuration of this source fills in.  plugin.c has the table.  Immutable
 * once filled, so [any] thread may read it.
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
};

/* [main] What the table cannot say: the slot's alphabet, names that are not empty, a dsn that libpq
 * can read.  OK, or ECONFIG with *error. */
leat_status options_check(const struct pgoutput_options *options, leat_error *error);

#endif
