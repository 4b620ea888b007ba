/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_look.h -- what one look at the slot says, measured against the looks before.  [worker]
 *
 * Asks nobody and never waits: the answer is handed in.
 */
#ifndef LEAT_PGOUTPUT_GUARD_LOOK_H
#define LEAT_PGOUTPUT_GUARD_LOOK_H

#include "guard.h"
#include "guard_act.h"
#include "guard_figures.h"

struct guard_look {
    const leat_host *host;
    const struct pgoutput_options *options;
    struct guard_lag lag;
    uint64_t wal_lsn;  /* at the look before */
    int64_t looked_ns; /* when that was; 0: there was none on this server */
    enum guard_condition condition;
    struct figures figures;
    struct guard_act act;
};

/* [main] In place; the struct does not move after that. */
void look_init(struct guard_look *look, const leat_host *host,
               const struct pgoutput_options *options);
/* Another server's positions say nothing of this one's. */
void look_forget(struct guard_look *look);
/* OK; EFATAL: the pipeline has to end, *error says why. */
leat_status look_judge(struct guard_look *look, const struct slot_facts *slot,
                       const struct guard_view *view, leat_error *error);

#endif
