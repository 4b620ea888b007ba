/* SPDX-License-Identifier: Apache-2.0
 *
 * watchdog.h -- feeds systemd's watchdog while every thread lives.  [main]
 *
 * Each source and worker thread counts its turns.  Four times an interval the control thread looks
 * whether each count has moved, and rings each thread's bell, so that one which only sleeps makes
 * another turn.  A thread that has not moved since two looks ago is stuck, and then nothing is fed.
 */
#ifndef LEAT_WATCHDOG_H
#define LEAT_WATCHDOG_H

#include "registry.h"

struct watchdog_thread {
    uint64_t turns;
    uint32_t missed; /* looks in a row at which it had not moved */
};

struct watchdog {
    const struct clock *clock;
    int64_t interval_ns; /* 0: nobody watches */
    int64_t next_ns;
    struct watchdog_thread *threads; /* CONFIG_PIPELINES_MAX * (1 + JOURNAL_SINKS_MAX) */
};

void watchdog_init(struct watchdog *watchdog, const struct clock *clock);
void watchdog_fini(struct watchdog *watchdog);

/* Once a second at least. */
void watchdog_tick(struct watchdog *watchdog, struct registry *registry);

/* When it wants to be called next; INT64_MAX: never. */
int64_t watchdog_next_ns(const struct watchdog *watchdog);

#endif
