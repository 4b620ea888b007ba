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
#include "order.h"
#include "pipeline.h"

struct registry_rate { /* under lock: changes a second, over the last second or so */
    int64_t at_ns;
    uint64_t changes;
    double changes_per_second;
    uint64_t progress;   /* the sum of all positions and counts that only grow */
    int64_t moved_ns;    /* when it last grew, or nothing was waiting */
    double looks;        /* how often the source had looked at its origin */
    uint64_t origin_end; /* where the origin's stream ended at the last look; 0: not known */
};

struct registry_reload { /* of the configuration, since the start */
    uint64_t good, bad;
    bool last_was_good;
    int64_t at_us;   /* since 1970-01-01 UTC; 0: there was none */
    char text[1024]; /* why the last one was bad, or what it has changed */
};

struct registry {
    const struct config *config; /* under lock, but for the control thread */
    const struct clock *clock;
    struct doorbell *control_bell;
    pthread_mutex_t lock;
    /* Under lock; one for each pipeline of config; NULL: ended, or not begun. */
    struct pipeline *pipelines[CONFIG_PIPELINES_MAX];
    struct registry_rate rates[CONFIG_PIPELINES_MAX]; /* under lock */
    struct registry_reload reload;                    /* under lock */
    bool began;                    /* under lock: every pipeline has been started */
    char failed[FAILURE_LINE_MAX]; /* under lock: what the daemon ends for; empty: nothing */
    int64_t started_us;            /* since 1970-01-01 UTC */
    _Atomic int64_t alive_ns;      /* when the control thread last went round */
    atomic_bool stopping;
    struct order *orders; /* under lock: given by the endpoint, not taken yet, oldest first */
    bool closed;          /* under lock: no more orders are taken */
};

/* [main] False: no memory. */
bool registry_init(struct registry *registry, const struct config *config,
                   const struct clock *clock, struct doorbell *control_bell);
void registry_fini(struct registry *registry);

/* [main] Puts a pipeline in, or (NULL) takes out what is there; it may be destroyed then. */
void registry_set(struct registry *registry, size_t index, struct pipeline *pipeline);

/* [main] The configuration is another one, and so are its pipelines. */
void registry_reconfigure(struct registry *registry, const struct config *config,
                          struct pipeline *const *pipelines);

/* [main] For what is more than one store: a pipeline's workers. */
void registry_lock(struct registry *registry);
void registry_unlock(struct registry *registry);

/* [main] How the last reload ended. */
void registry_reloaded(struct registry *registry, bool good, const char *text);

/* [main] The daemon will end for this, as its last line says. */
void registry_failed(struct registry *registry, const char *line);

/* [main] Every pipeline has been started. */
void registry_begun(struct registry *registry);

/* [main] Once a turn of the control thread: it lives; and the rates. */
void registry_tick(struct registry *registry);

/* [any] False: the daemon takes no more; the order stays the caller's. */
bool registry_give(struct registry *registry, struct order *order);

/* [main] The oldest one; NULL: there is none.  close: no more are taken from now on. */
struct order *registry_take(struct registry *registry, bool close);

#endif
