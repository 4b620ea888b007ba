/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.h -- reading beside the daemon: a temporary slot with the same publications.  [worker]
 *
 * The slot belongs to the connection and dies with it, whatever happens to the process.  Never
 * acquires, moves or drops the daemon's own slot; at most it is copied (FROM where it stands).
 */
#ifndef LEAT_PGOUTPUT_WATCH_H
#define LEAT_PGOUTPUT_WATCH_H

#include "pgoutput_options.h"
#include "text.h"

struct watch {
    bool on;
    bool unconfirmed;                /* LEAT_WATCH_UNCONFIRMED                                 */
    const char *watched;             /* the daemon's slot; borrowed from its options           */
    char slot[64];                   /* the temporary one                                      */
    struct pgoutput_options options; /* the configured ones, but for what a watcher needs other */
};

/* The name of the slot is new each time, so that two watchers do not meet. */
void watch_begin(struct watch *watch, const struct pgoutput_options *options, uint32_t how,
                 uint64_t now_ns);

/* The command that makes the slot; its answer has the shape of CREATE_REPLICATION_SLOT's. */
void watch_ask(const struct watch *watch, struct text *out);

/* Fills *error: the output stands still, and WAL is kept for it on the server.  Returns it. */
leat_error *watch_too_slow(const struct watch *watch, leat_error *error);

#endif
