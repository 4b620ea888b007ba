/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_internal.h -- the daemon's side of a sink in a process of its own.  [worker], but for
 * create, destroy and isolate_try.
 */
#ifndef LEAT_ISOLATE_INTERNAL_H
#define LEAT_ISOLATE_INTERNAL_H

#include "isolate_wire.h"
#include "worker.h"

#include <signal.h>
#include <sys/types.h>

/* What the helper has: one entry a slot of the worker's, found by the token's low bits. */
struct isolate_lent {
    uint64_t token;
    uint32_t count; /* records; 0: not lent */
};

/* Invariants: pid > 0 exactly while there is a process that was not reaped; shared, the descriptors
 * and lent are of that process. */
struct leat_sink {
    struct worker *worker;
    const leat_host *host;
    pid_t pid;
    int process; /* pidfd */
    int socket;  /* messages */
    int bell;    /* a byte into it wakes the helper; readable: it woke us */
    int voice;   /* what it writes to its standard output and error; -1: it closed them */
    struct isolate_shared *shared;
    uint32_t offered, done, told; /* our own copies of the indices */
    uint32_t epoch, lent_count;
    bool failed;               /* a result was no OK: nothing is offered until all are back */
    bool is_trial;             /* of isolate_try: what is begun next is to create and no more */
    bool was_begun;            /* there was a process, whether it is still there or not */
    bool gone;                 /* it ended, or closed what it needs */
    bool hangs;                /* it did not answer for isolate_timeout */
    bool grows;                /* it has more memory than isolate_memory */
    bool stopped;              /* it said so */
    bool has_started, is_down; /* it said so; what it said is in `said` */
    leat_status status;
    uint32_t holds;
    leat_identity last;
    leat_error said;
    char breach[160]; /* how it broke its contract; empty: it did not */
    uint32_t asked, missed;
    int64_t look_at_ns;
    char spoken[512]; /* of its voice: a line without its end */
    size_t spoken_length;
    int64_t log_due_ns; /* how far its log lines are ahead of what they may be */
    uint64_t unlogged;
    struct isolate_lent lent[ISOLATE_RING];
    int32_t metrics[PLUGIN_METRICS_MAX]; /* the helper's number -> the host's */
    uint32_t metric_count;
    uint32_t kept_texts; /* of its metrics, that were new: bounded over all its processes */
    int32_t starts_metric, pid_metric, breaches_metric, timeouts_metric, memory_metric;
    uint64_t starts, breaches, timeouts;
    struct isolate_message message; /* the one that is looked at */
};

/* isolate.c */

/* Until the helper has something, the host wants its thread back (wake_fd >= 0), or the time is
 * over. */
void isolate_wait(leat_sink *sink, int wake_fd, int32_t max_wait_ms);

/* isolate_results.c */

/* Judges what the helper gave back, and gives it to the worker.  True when there was any. */
bool isolate_take_results(leat_sink *sink);

/* isolate_spawn.c */

/* Begins the process, with its ends of the two pairs.  0 and *pid; else an errno. */
int isolate_spawn(const leat_sink *sink, int socket, int voice, pid_t *pid);

/* isolate_process.c */

/* Begins a helper and says to it what it needs. */
bool isolate_begin(leat_sink *sink, const leat_sink_start *start, leat_error *error);

/* Ends it, the hard way when it has not ended within patience_ms, and waits until there is no such
 * process.  how: what became of it.  True: it ended by itself, with status 0. */
bool isolate_end(leat_sink *sink, int32_t patience_ms, char *how, size_t size);

/* [any] "was killed by signal 11 (Segmentation fault)". */
void isolate_describe_end(const siginfo_t *end, char *how, size_t size);

/* isolate_messages.c */

/* What came over the socket; at most so many at once.  A message that is none is a breach. */
void isolate_take_messages(leat_sink *sink);

/* How it broke its contract: only the first counts. */
void isolate_break_off(leat_sink *sink, const char *what);

/* The helper's figures become the instance's. */
void isolate_copy_metrics(leat_sink *sink);

void isolate_set_metric(const leat_sink *sink, int32_t metric, double value);
int32_t isolate_declare_metric(const leat_sink *sink, uint32_t kind, const char *name,
                               const char *label, const char *label_value, const char *help);

/* isolate_voice.c */

/* Says to the helper which lines are for nobody, so that they are not even sent. */
void isolate_tell_level(leat_sink *sink);

/* What it wrote by now; at its end all, after which there is no voice. */
void isolate_take_voice(leat_sink *sink, bool is_end);

/* False: it says too much, the line is counted instead. */
bool isolate_may_log(leat_sink *sink);

/* isolate_watch.c */

void isolate_watch_begin(leat_sink *sink);

/* Sets `hangs` and `grows` when it does.  Returns after how many ms to look again. */
int32_t isolate_watch(leat_sink *sink);

#endif
