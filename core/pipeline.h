/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.h -- one source, its sinks, their threads, from start to drained.
 *
 * The control thread creates, starts, asks to stop, joins and destroys [main].  The source thread
 * and a worker thread for each sink run in between.  When the pipeline is asked to stop, the source
 * thread drains: it hands out no more batches, goes on confirming until nothing is in flight, stops
 * its plugin, and only then lets the workers stop theirs.
 *
 * While it runs it may be held (no more batches are handed out), a sink may be paused or dropped,
 * and a sink's worker may be replaced by one with other options.  Everything else that changes is a
 * new pipeline; see docs/adr/0301.
 */
#ifndef LEAT_PIPELINE_H
#define LEAT_PIPELINE_H

#include "failure.h"
#include "source_loop.h"
#include "worker.h"

enum pipeline_state {
    PIPELINE_NEW = 0,  /* created                                                              */
    PIPELINE_RUNNING,  /* threads run                                                          */
    PIPELINE_STOPPING, /* asked to stop: draining                                              */
    PIPELINE_ENDED     /* the source thread is through; failure says how it went               */
};

/* What a command has made of a pipeline that runs. */
enum pipeline_hold {
    PIPELINE_GOES = 0,
    PIPELINE_PAUSED, /* the source hands out nothing; what was handed out is delivered             */
    PIPELINE_DRAINED /* the same, and somebody asked to have it all delivered: source.settled says */
};

struct pipeline {
    const struct config_pipeline *config;
    const struct config *owner; /* the configuration that `config` is part of */
    const struct clock *clock;
    struct doorbell *control_bell;
    struct source_loop source;
    struct channel channels[JOURNAL_SINKS_MAX];
    uint32_t sink_count;
    char sink_names[JOURNAL_SINKS_MAX][64];
    /* Each is replaced by the control thread alone, under the registry's lock; the source thread
     * never looks at them. */
    struct worker *workers[JOURNAL_SINKS_MAX];
    struct journal journal;
    struct journal_entry known; /* of the state file at the start */
    bool was_known;
    int64_t ended_ns; /* [main] when the control thread found the source thread through; 0: not yet */
    uint32_t watch;   /* LEAT_WATCH_...: a view beside the daemon, see leat_source_start */
    pthread_t source_thread;
    pthread_t worker_threads[JOURNAL_SINKS_MAX];
    bool worker_running[JOURNAL_SINKS_MAX]; /* its thread is to be joined */
    bool source_thread_started;
    size_t share, factor; /* of the memory, of each worker */
    bool mlock;
    atomic_int state;
    atomic_int hold;   /* enum pipeline_hold; stored by the control thread, read by any: relaxed */
    atomic_bool hurry; /* a sink has failed: drain no longer */
    _Atomic int64_t stop_deadline_ns; /* set before STOPPING */
    _Atomic uint32_t
        finish_ms; /* set before STOPPING: for what sinks were lent when it is not drained */
    /* The last warning or error that each one logged, and of the state file.  [any] */
    struct note source_note, record_note, sink_notes[JOURNAL_SINKS_MAX];
    atomic_bool cannot_record; /* the newest try to write the state file failed */
    pthread_mutex_t error_lock;
    struct failure failure; /* under error_lock until ENDED; the first one counts */
    bool regressed; /* the failure is one that making all anew at the recorded position mends: a
                       * sink that the source can catch up, an origin that has changed */
    bool drained;   /* true at the end when everything was confirmed */
};

struct pipeline_setup {
    const struct config_pipeline *config;
    const struct config *owner;
    const struct clock *clock;
    struct doorbell *control_bell;
    size_t memory;         /* bytes for this pipeline */
    size_t memory_factor;  /* how many pipelines share `memory` */
    uint32_t tally_tables; /* how many tables have counters of their own */
    bool mlock;
    int32_t try_ms; /* how long an isolated sink's plugin may take to say whether it takes its
                     * options; 0: it said so before */
    uint32_t watch; /* LEAT_WATCH_... */
};

/* [main] NULL with *failure: out of memory, a plugin's create failed. */
struct pipeline *pipeline_create(const struct pipeline_setup *setup, struct failure *failure);

/* [main] Before the start, once: what is known of earlier runs; NULL: nothing.  False: it cannot
 * go on from there. */
bool pipeline_recall(struct pipeline *pipeline, const struct journal_entry *known,
                     struct failure *failure);
bool pipeline_start(struct pipeline *pipeline, struct failure *failure); /* [main] */
void pipeline_ask_stop(struct pipeline *pipeline, int64_t deadline_ns);  /* [main] again: sooner */
void pipeline_join(struct pipeline *pipeline);    /* [main] once ended, or asked to stop: waits */

/* [main] Every thread of it has come to its end, so that joining takes no time. */
bool pipeline_is_over(const struct pipeline *pipeline);

/* [main] It should have been over for a while, by every deadline: a thread of it does not come back
 * from its plugin.  Then it can be neither joined nor destroyed. */
bool pipeline_is_overdue(struct pipeline *pipeline);

/* [main] Then: joins the threads that have ended, and says in the log which have not; *first is the part of
 * one of these, *failure why the pipeline failed, if it did.  True: making it anew mends that. */
bool pipeline_leave_behind(struct pipeline *pipeline, const char **first, struct failure *failure);
void pipeline_destroy(struct pipeline *pipeline); /* [main] after join; NULL is allowed */

/* [main] */
void pipeline_set_hold(struct pipeline *pipeline, enum pipeline_hold hold);
void pipeline_set_order(struct pipeline *pipeline, uint32_t sink, enum channel_order order);

/* [source, main] From now on nothing waits for the sink; as journal_drop. */
leat_status pipeline_drop_sink(struct pipeline *pipeline, uint32_t sink, const char *why);

/* [main] A sink of that name; -1: none. */
int pipeline_find_sink(const struct pipeline *pipeline, const char *name);

/* [main] The steps by which a sink's worker is replaced.  make: another one, without a thread; NULL
 * with *failure.  try_ms: as in pipeline_setup.  stop: asks the present one to end, finishing what
 * is lent within that time.  stopped: it has ended.  join: its thread is gone.  Then the new one takes over all that it had
 * (worker_inherit), is put in its place under the registry's lock, and is started. */
struct worker *pipeline_make_worker(struct pipeline *pipeline, uint32_t sink,
                                    const struct config_sink *config, const struct config *owner,
                                    int32_t try_ms, struct failure *failure);
void pipeline_stop_worker(struct pipeline *pipeline, uint32_t sink, uint32_t finish_ms);
bool pipeline_worker_stopped(const struct pipeline *pipeline, uint32_t sink);
void pipeline_join_worker(struct pipeline *pipeline, uint32_t sink);
bool pipeline_start_worker(struct pipeline *pipeline, uint32_t sink);
void pipeline_destroy_worker(struct worker *worker); /* NULL is allowed */

/* [any] The pipeline of a source's host. */
struct pipeline *pipeline_of_source(const leat_host *host);

static inline enum pipeline_state pipeline_state(struct pipeline *pipeline)
{
    return (enum pipeline_state)atomic_load_explicit(&pipeline->state, memory_order_acquire);
}

#endif
