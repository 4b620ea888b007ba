/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_helper.h -- what the files of the helper process share.
 */
#ifndef LEAT_ISOLATE_HELPER_H
#define LEAT_ISOLATE_HELPER_H

#include "isolate_wire.h"

#include <pthread.h>

struct helper {
    leat_host host; /* first: the plugin's handle is this */
    struct isolate_hello hello;
    struct isolate_shared *shared;
    const unsigned char *pool; /* the worker's pool, not writable, where it lies in the daemon */
    int bell;                  /* readable: somebody wants us; a byte into it wakes the daemon */
    int own_bell;              /* a byte into it makes bell readable */
    const leat_sink_ops *ops;
    leat_sink *sink;
    uint32_t taken;                   /* offers that the plugin took, or that went back */
    leat_batch batches[ISOLATE_RING]; /* by the token's low bits, as is the next */
    _Atomic uint32_t epochs[ISOLATE_RING];
    pthread_mutex_t lock;
    uint32_t done;               /* under lock */
    struct isolate_message said; /* under lock: the one that is being made */
    _Atomic uint32_t failed;     /* epoch + 1 of what failed last; 0: nothing did */
    _Atomic uint32_t events;     /* results and wakes: a sleeper looks again */
    struct plugin_metrics metrics;
    uint32_t declared; /* under lock */
    bool stop_asked;   /* these three, and heard, belong to the main thread */
    uint32_t deadline_ms;
    bool orphan;
    struct isolate_message heard;
};

/* The table that the plugin sees. */
void helper_host_init(struct helper *helper);

/* [main thread] What the daemon said, if anything; with `wait`, until it says something. */
void helper_listen(struct helper *helper, bool wait);

/* isolate_drive.c.  [main thread] From the plugin's create to its destroy, as the daemon says. */
void helper_drive(struct helper *helper, const void *options);
/* ... until the daemon says stop, or is gone. */
void helper_wait_for_stop(struct helper *helper);

/* [any] */
void helper_say_state(struct helper *helper, enum isolate_kind kind, leat_status status,
                      const leat_sink_start *start, const leat_error *error);

#endif
