/* SPDX-License-Identifier: Apache-2.0
 *
 * watchdog.h -- looks whether every thread goes round, names the one that does not, and feeds
 * systemd's watchdog while all do.  [main]
 *
 * Each source and worker thread counts its turns.  Every few seconds the control thread looks
 * whether each count has moved, and rings each thread's bell, so that one which only sleeps makes
 * another turn.  A thread that has not moved between several looks in a row stands still inside its
 * plugin: nothing can be done to it, but it is told of, in the log, in the status and as a metric,
 * and once it stands still for half of what systemd allows, nothing is fed.  Looks are counted and
 * not time, so that a machine that slept is no reason.
 */
#ifndef LEAT_WATCHDOG_H
#define LEAT_WATCHDOG_H

#include "registry.h"

struct watchdog_thread {
    const _Atomic uint64_t *of; /* whose turns; NULL: not looked at, or not while it ends */
    uint64_t turns;
    uint32_t missed; /* looks in a row at which it had not moved */
    int64_t told_ns; /* when it was last told of; 0: it moves */
};

struct watchdog {
    const struct clock *clock;
    int64_t interval_ns; /* from look to look */
    int64_t starve_ns;   /* a thread that stands still so long: nothing is fed; 0: nobody watches */
    int64_t next_ns;
    struct watchdog_thread *threads; /* CONFIG_PIPELINES_MAX * (1 + JOURNAL_SINKS_MAX) */
};

void watchdog_init(struct watchdog *watchdog, const struct clock *clock);
void watchdog_fini(struct watchdog *watchdog);

/* Once a second at least. */
void watchdog_tick(struct watchdog *watchdog, struct registry *registry);

/* When it wants to be called next. */
int64_t watchdog_next_ns(const struct watchdog *watchdog);

#endif
