/* SPDX-License-Identifier: Apache-2.0
 *
 * source_loop.h -- one pipeline's source side: the plugin, its pool, the open batch and the window.
 *
 * Everything here belongs to the source thread, which is source_loop_step in a loop; a test calls
 * the step without a thread.  What crosses to other threads goes through the channels and the
 * journal only.
 */
#ifndef LEAT_SOURCE_LOOP_H
#define LEAT_SOURCE_LOOP_H

#include "batch.h"
#include "channel.h"
#include "clock.h"
#include "config.h"
#include "histogram.h"
#include "journal.h"
#include "note.h"
#include "proof.h"
#include "plugin_metrics.h"
#include "tally.h"
#include "window.h"

#define SLAB_SIZE ((size_t)64 * 1024)

struct source_counters { /* written by the source thread, read by any: relaxed */
    _Atomic uint64_t changes, batches, bytes, starved, begins;
    _Atomic uint64_t turns;           /* steps: the thread lives */
    _Atomic uint64_t received;        /* the newest position seen */
    _Atomic uint64_t durable;         /* everything up to here is durable in every sink */
    _Atomic uint64_t in_flight;       /* batches in the window */
    _Atomic uint64_t pool_used;       /* bytes */
    _Atomic int64_t oldest_commit_us; /* of what is in flight; 0: nothing is */
    _Atomic int64_t still_ms; /* so long it has not come back from its plugin; the watchdog writes it */
    _Atomic int state;                /* LEAT_STATE_... */
};

/* Commits that wait to be confirmed, for the latency only: thinned out when there are many. */
#define CONFIRM_SAMPLES 256u
struct confirm_sample {
    uint64_t position;
    int64_t commit_us;
};

struct source_loop {
    leat_host host; /* first: the plugin's handle is this */
    const struct clock *clock;
    const struct config_pipeline *config; /* NULL in tests */
    const leat_source_ops *ops;
    leat_source *source;
    struct pool pool;
    size_t batch_size;
    size_t memory_factor; /* how much `memory` one byte of this pool costs: for advice */
    struct batch *batches;
    struct batch **free_batches;
    uint32_t batch_count, free_count;
    struct batch *open; /* NULL: none */
    uint64_t last_safe;
    struct window window;
    struct channel *channels;
    uint32_t channel_count;
    /* What each sink has not given back, in bytes; and how much of that is enough: when every sink
     * has it, more would only be memory, so the source rests until one has a quarter less; and when
     * a sink that is slower than the others has twice as much.  A sink that stands still does not
     * make the others wait: they may have the whole pool. */
    size_t ahead[JOURNAL_SINKS_MAX];
    int64_t gave_ns[JOURNAL_SINKS_MAX]; /* when each gave something back last */
    size_t ahead_enough;
    bool resting;
    struct doorbell bell;
    struct journal *journal;
    leat_progress told;
    bool begun;
    int64_t trim_at_ns;
    /* Set by the source thread when the pipeline ends: hand out no more batches. */
    atomic_bool draining;
    /* Set by the control thread, read by the source thread: the same, until it is taken back. */
    atomic_bool held;
    /* Stored by the source thread (release) while it is held, loaded by the control thread (acquire):
     * all that was handed out is durable, recorded and told; or, it cannot become so because the
     * only sinks that still have something are paused. */
    atomic_bool settled, stuck;
    atomic_bool counted; /* the same: every channel's `left` is true, and can only fall (release) */
    uint64_t published;  /* batches that went to every sink */
    _Atomic uint64_t
        newest;         /* of the origin: nothing newer existed when it was reached; 0: unknown */
    struct proof proof; /* what the sinks have to show before anything is recorded */
    /* The namespace of the identities: set once at begin (release), read by workers (acquire). */
    _Atomic(const char *) name_space;
    char name_space_text[JOURNAL_TEXT_MAX];
    struct source_counters counters;
    struct histogram commit_to_received, commit_to_published, commit_to_confirmed;
    struct confirm_sample samples[CONFIRM_SAMPLES]; /* ascending */
    uint32_t sample_count, sample_stride, sample_skip;
    struct tally tally;
    struct plugin_metrics metrics;
    struct note state_detail;
    void (*log)(const leat_host *, int32_t, const char *, const leat_field *, size_t);
};

struct source_loop_setup {
    const struct clock *clock;
    const char *pipeline;
    const leat_source_ops *ops;
    size_t memory; /* bytes for the source's batches */
    size_t memory_factor;
    size_t batch_size;
    uint32_t max_delay_us;
    uint32_t tally_tables; /* how many tables have counters of their own */
    bool mlock;
    struct channel *channels; /* source_bell is set by init */
    uint32_t channel_count;
    struct journal *journal;
    void (*log)(const leat_host *, int32_t, const char *, const leat_field *, size_t);
    const void *(*extension)(const leat_host *, const char *);
};

/* [main] False with errno set. */
bool source_loop_init(struct source_loop *loop, const struct source_loop_setup *setup);
void source_loop_fini(struct source_loop *loop);

/* [source] One turn: take back what the workers gave back, settle what became durable, let the
 * plugin read for at most max_wait_ms (-1: until something happens). */
leat_status source_loop_step(struct source_loop *loop, int32_t max_wait_ms, leat_error *error);

/* [source] True when only paused sinks still have batches, and some do. */
bool source_loop_is_stuck(struct source_loop *loop);

/* [source] The sink that has given back the fewest batches, while some are out; -1: none. */
int source_loop_behind(struct source_loop *loop);

/* [control] Hands out no more batches, or again.  The caller rings the bell. */
void source_loop_hold(struct source_loop *loop, bool held);

/* [source] True when nothing is in flight and all that is durable has been recorded and told. */
bool source_loop_is_drained(struct source_loop *loop);

#endif
