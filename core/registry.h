/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.h -- the pipelines that live now, for who wants to look at them, and what was asked of
 * the control thread.
 *
 * The control thread alone puts pipelines in and takes them out; it and the admin endpoint's
 * threads take the lock, a source or worker thread never does.  Whoever holds the lock may read a
 * pipeline's atomics and notes.  Nothing is called into a plugin, and nothing waits, under it.
 */
#ifndef LEAT_REGISTRY_H
#define LEAT_REGISTRY_H

#include "config.h"
#include "pipeline.h"

struct registry_rate { /* under lock: changes a second, over the last second or so */
    int64_t at_ns;
    uint64_t changes;
    double changes_per_second;
    uint64_t progress; /* the sum of all positions and counts that only grow */
    int64_t moved_ns;  /* when it last grew, or nothing was waiting */
};

struct registry {
    const struct config *config;
    const struct clock *clock;
    struct doorbell *control_bell;
    pthread_mutex_t lock;
    struct pipeline **pipelines; /* under lock; config->pipeline_count; NULL: ended, or not begun */
    struct registry_rate *rates; /* under lock */
    bool began;                  /* under lock: every pipeline has been started */
    int64_t started_us;          /* since 1970-01-01 UTC */
    _Atomic int64_t alive_ns;    /* when the control thread last went round */
    atomic_bool stopping;
    /* Asked by the endpoint (any thread), taken by the control thread. */
    atomic_bool stop_asked;
    atomic_bool *drain_asked; /* config->pipeline_count */
};

/* [main] False: no memory. */
bool registry_init(struct registry *registry, const struct config *config,
                   const struct clock *clock, struct doorbell *control_bell);
void registry_fini(struct registry *registry);

/* [main] Puts a pipeline in, or (NULL) takes out what is there; it may be destroyed then. */
void registry_set(struct registry *registry, size_t index, struct pipeline *pipeline);

/* [main] Every pipeline has been started. */
void registry_begun(struct registry *registry);

/* [main] Once a turn of the control thread: it lives; and the rates. */
void registry_tick(struct registry *registry);

/* [any] */
void registry_ask_stop(struct registry *registry);
void registry_ask_drain(struct registry *registry, size_t index);

#endif
