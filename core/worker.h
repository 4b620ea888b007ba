/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.h -- one sink's side of a pipeline: encodes batches, lends them to the plugin, takes the
 * results, gives the batches back to the source thread.
 *
 * Everything here belongs to the worker thread, which is worker_step in a loop; a test calls the
 * step without a thread.  Other threads touch only batch_done (a slot's state and result) and the
 * flags marked so.
 *
 * A source batch becomes one or more parts, each in a slot.  Slots are a queue in stream order:
 *
 *     head ........... next ............ tail
 *       lent or finished  |  encoded, not lent
 *
 * A slot leaves at the head only, when it is finished: all its records are durable.
 */
#ifndef LEAT_WORKER_H
#define LEAT_WORKER_H

#include "batch.h"
#include "channel.h"
#include "clock.h"
#include "config.h"
#include "dead_letter.h"
#include "encode.h"
#include "histogram.h"
#include "journal.h"
#include "proof.h"
#include "plugin_metrics.h"
#include "route.h"

struct config;

#define WORKER_SLOTS 1024u /* a power of two */
#define WORKER_PART_RECORDS 512u

/* The life of a sink.  Each state says what it waits for. */
enum worker_state {
    WORKER_WAITING = 0, /* for the source to reach its origin                                */
    WORKER_STARTING,    /* start said AGAIN: for the plugin's server                         */
    WORKER_RUNNING,     /* for batches and results                                           */
    WORKER_RECOVERING,  /* a batch failed: for every lent batch to come back                 */
    WORKER_RETRYING,    /* all are back: for the back-off, then RUNNING from the head         */
    WORKER_DOWN,        /* the instance was stopped: for the back-off, then STARTING          */
    WORKER_FAILED,      /* for nobody: the pipeline has to stop                               */
    WORKER_DROPPED,     /* for the command that takes it back; batches are given back at once */
    WORKER_PAUSED       /* shown only, for RUNNING: for the command that lets it go on        */
};

enum slot_state {
    SLOT_FREE = 0,
    SLOT_READY,
    SLOT_LENT,
    SLOT_REPORTING,
    SLOT_REPORTED,
    SLOT_FINISHED
};

struct slot {
    /* generation << 8 | enum slot_state, so that a late report of an earlier use cannot be taken
     * for one of this use.  The worker stores LENT (release) before a submit; batch_done moves LENT
     * to REPORTING (acquire), fills the result, and stores REPORTED (release) for the worker to
     * load (acquire).  All others are the worker's own. */
    _Atomic uint64_t word;
    uint32_t generation; /* the worker's own copy; part of the token */
    struct batch *batch;
    bool last_part;
    struct span_list memory;
    unsigned char *records; /* record_count of leat_record */
    uint32_t record_count;
    uint32_t durable; /* leading records known durable */
    uint32_t attempt;
    leat_batch offer; /* what was lent: the records behind `durable` at that time */
    leat_result result;
    char result_text[256];
    int64_t encoded_ns;
};

/* Records that are durable, first to last, in stream order. */
struct worker_run {
    leat_identity first, last;
};

struct worker_counters { /* written by the worker, read by any: relaxed */
    _Atomic uint64_t records, bytes, batches, retries, rejects, dead_letters, starts, skipped;
    _Atomic uint64_t missed;       /* changes that it was not given while it was dropped */
    _Atomic uint64_t turns;        /* steps: the thread lives */
    _Atomic uint64_t lent, queued; /* parts: the plugin has them; encoded and not lent */
    _Atomic uint64_t pool_used;    /* bytes */
    _Atomic int64_t hold_ms;       /* the last result asked for: durable, confirmed only then */
    _Atomic uint64_t
        accepted; /* position of the newest record known durable in the sink; 0: none */
    _Atomic int64_t retry_at_ns; /* of RETRYING and DOWN */
    _Atomic int64_t oldest_ns;   /* when the oldest record not yet durable was encoded; 0: none */
    _Atomic int64_t still_ms;    /* so long it has not come back from its plugin; the watchdog writes it */
    _Atomic int state;
};

struct worker {
    leat_host host; /* first: the plugin's handle is this */
    const struct clock *clock;
    const struct config_sink *config;
    const leat_sink_ops *ops;
    leat_sink_ops isolated; /* what ops points at with isolate: true */
    leat_sink *sink;
    struct channel *channel;
    struct pool pool;
    size_t memory_factor;
    struct encoder *encoder;
    struct router *router;           /* NULL: no routes */
    struct dead_letter *dead_letter; /* NULL: on_reject is stop */
    enum worker_state state;
    struct slot *slots;
    uint32_t head, next, tail;             /* indices that only grow; & (WORKER_SLOTS - 1) */
    uint32_t lent;                         /* slots that the plugin has */
    struct batch *cutting;                 /* the batch whose parts are being encoded */
    const leat_change *cut_at;             /* its first change that is in no part yet */
    uint32_t cut_left;                     /* and how many there are from it on */
    char id_prefix[JOURNAL_TEXT_MAX + 32]; /* "<namespace>:<lsn>:" of id_position */
    size_t id_prefix_length;
    uint64_t id_position;
    leat_arena arena; /* of the newest part */
    bool no_memory;   /* encoding waits for a slot to leave */
    struct journal *journal;
    leat_identity floor; /* confirmed to the source: to hold less than this is a loss */
    bool has_floor;
    leat_identity accepted; /* the last record that the plugin called durable, in order */
    bool has_accepted;
    leat_identity skip_until; /* the sink holds up to here already */
    bool skipping;
    uint32_t skip_hold_ms; /* what it holds may be durable only so much later */
    /* Of the instance before this one; see worker_change.h. */
    bool carried;           /* skip_until is not what the sink says, but what it had made durable */
    struct batch **backlog; /* to be taken before what the channel holds */
    uint32_t backlog_at, backlog_count;
    struct worker_run *runs; /* records behind skip_until that are durable too */
    uint32_t run_at, run_count;
    uint32_t longest_hold_ms; /* what was carried is held back as long as it can have been */
    leat_identity missed;     /* the newest record that it was not given while it was dropped */
    uint32_t failures;        /* in a row, for the back-off */
    int64_t retry_at_ns;
    uint32_t asked_ms; /* of the result that began the recovery; 0: the host's own back-off */
    int64_t stall_logged_ns;
    uint64_t random;
    leat_error error;    /* of WORKER_FAILED */
    bool regressed;      /* FAILED because the sink holds less than it accepted, but not
                                * less than was confirmed: the pipeline can begin again there */
    atomic_uint reports; /* counts batch_done; the worker looks at its slots when it moved */
    uint32_t reports_seen;
    atomic_bool wake_asked;
    _Atomic(const char *) *name_space; /* the source loop's */
    const _Atomic uint64_t *newest;    /* the source loop's */
    struct proof *proof;               /* the source loop's; NULL in tests */
    /* Set by the control thread to end this worker alone, with the time that the plugin has to
     * finish what is lent before it; the thread answers with ended (release) and the control bell. */
    atomic_bool stopping;
    _Atomic uint32_t stop_ms;
    atomic_bool ended;
    const struct config *owner; /* the configuration that `config` is part of */
    struct worker_counters counters;
    struct histogram queued;    /* from the publishing of a batch to each of its parts encoded */
    struct histogram delivered; /* from there to durable */
    /* From the commit of a batch's last change until the batch left the queue, was encoded, was
     * lent, was durable: once a batch each. */
    struct histogram commit_to_queued, commit_to_encoded, commit_to_submitted, commit_to_durable;
    struct plugin_metrics metrics;
    void (*log)(const leat_host *, int32_t, const char *, const leat_field *, size_t);
};

struct worker_setup {
    const struct clock *clock;
    const char *pipeline;
    const struct config_sink *config;
    const leat_sink_ops *ops;
    size_t memory;
    size_t memory_factor;
    bool mlock;
    struct channel *channel;
    _Atomic(const char *) *name_space;
    const _Atomic uint64_t *newest;
    struct proof *proof;
    struct journal *journal; /* for what is known of the sink */
    void (*log)(const leat_host *, int32_t, const char *, const leat_field *, size_t);
    const void *(*extension)(const leat_host *, const char *);
};

/* [main] False with a text: no memory, or a wrong route. */
bool worker_init(struct worker *worker, const struct worker_setup *setup, leat_error *error);
void worker_fini(struct worker *worker);

/* [worker] One turn; waits for at most max_wait_ms (-1: until something happens).  False: the sink
 * has failed for good, worker->error says why. */
bool worker_step(struct worker *worker, int32_t max_wait_ms);

/* [worker] Ends the plugin's work: what is lent may be finished until the deadline. */
void worker_stop(struct worker *worker, uint32_t deadline_ms);

#endif
