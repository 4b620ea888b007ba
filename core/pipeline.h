/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.h -- one source, its sinks, their threads, from start to drained.
 *
 * The control thread creates, starts, asks to stop, joins and destroys [main].  The source thread
 * and a worker thread for each sink run in between.  When the pipeline is asked to stop, the source
 * thread drains: it hands out no more batches, goes on confirming until nothing is in flight, stops
 * its plugin, and only then lets the workers stop theirs.
 */
#ifndef LEAT_PIPELINE_H
#define LEAT_PIPELINE_H

#include "source_loop.h"
#include "worker.h"

enum pipeline_state {
    PIPELINE_NEW = 0,  /* created                                                              */
    PIPELINE_RUNNING,  /* threads run                                                          */
    PIPELINE_STOPPING, /* asked to stop: draining                                              */
    PIPELINE_ENDED     /* the source thread is through; error.status says how it went          */
};

struct pipeline {
    const struct config_pipeline *config;
    const struct clock *clock;
    struct doorbell *control_bell;
    struct source_loop source;
    struct channel channels[JOURNAL_SINKS_MAX];
    struct worker *workers; /* config->sink_count */
    struct journal journal;
    struct journal_entry known; /* of the state file at the start */
    bool was_known;
    uint32_t watch; /* LEAT_WATCH_...: a view beside the daemon, see leat_source_start */
    pthread_t source_thread;
    pthread_t worker_threads[JOURNAL_SINKS_MAX];
    uint32_t worker_threads_started;
    bool source_thread_started;
    atomic_int state;
    atomic_bool hurry;                /* a sink has failed: drain no longer */
    _Atomic int64_t stop_deadline_ns; /* set before STOPPING */
    /* The last warning or error that each one logged, and of the state file.  [any] */
    struct note source_note, record_note, sink_notes[JOURNAL_SINKS_MAX];
    atomic_bool cannot_record; /* the newest try to write the state file failed */
    pthread_mutex_t error_lock;
    leat_error error; /* under error_lock until ENDED; the first one counts */
    char culprit[64]; /* "source" or the sink's name */
    bool regressed;   /* the failure is a sink that the source can catch up */
    bool drained;     /* true at the end when everything was confirmed */
};

struct pipeline_setup {
    const struct config_pipeline *config;
    const struct clock *clock;
    struct doorbell *control_bell;
    size_t memory; /* bytes for this pipeline */
    size_t memory_factor; /* how many pipelines share `memory` */
    uint32_t tally_tables; /* how many tables have counters of their own */
    bool mlock;
    uint32_t watch; /* LEAT_WATCH_... */
    const struct journal_entry *known; /* NULL: no earlier run */
};

/* [main] NULL with *error: out of memory, a plugin's create failed. */
struct pipeline *pipeline_create(const struct pipeline_setup *setup, leat_error *error);
bool pipeline_start(struct pipeline *pipeline, leat_error *error); /* [main] */
void pipeline_ask_stop(struct pipeline *pipeline, int64_t deadline_ns); /* [main] again: sooner */
void pipeline_join(struct pipeline *pipeline); /* [main] after ENDED or ask_stop: waits */
void pipeline_destroy(struct pipeline *pipeline); /* [main] after join; NULL is allowed */

static inline enum pipeline_state pipeline_state(struct pipeline *pipeline)
{
    return (enum pipeline_state)atomic_load_explicit(&pipeline->state, memory_order_acquire);
}

#endif
