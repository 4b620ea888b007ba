/* SPDX-License-Identifier: Apache-2.0
 *
 * guard_act.h -- what is done when a slot's level changes: a log line, a command, a sink dropped,
 * the end of the pipeline.  [worker]
 */
#ifndef LEAT_PGOUTPUT_GUARD_ACT_H
#define LEAT_PGOUTPUT_GUARD_ACT_H

#include "guard_figures.h"

struct guard_act {
    const leat_host *host;
    const struct pgoutput_options *options;
    struct figures *figures;
    const leat_guard *dropper;      /* of the host; NULL: it cannot drop sinks */
    const leat_commands *commands;  /* of the host; NULL: it runs none */
    enum guard_level level;         /* that was acted on */
    enum guard_level told_before;   /* of the command: the level before */
    bool command_owed;              /* the last one still ran */
    bool told_no_drop;              /* since the level became critical */
    int64_t dropped_ns;             /* when a sink was dropped last, since then; 0: none was */
    uint64_t dropped_confirmed_lsn; /* the slot's confirmed position then */
};

/* [main] */
void act_init(struct guard_act *act, const leat_host *host, const struct pgoutput_options *options,
              struct figures *figures);

/* What one look found.  OK; EFATAL: the pipeline has to stop, *error says why. */
leat_status act_on(struct guard_act *act, const struct slot_facts *slot, enum guard_level level,
                   int64_t lag_ns, leat_error *error);

#endif
