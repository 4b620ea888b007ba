/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_wire.h -- what the daemon and a sink's helper process share: two rings and their bells in
 * a piece of shared memory, and messages over a socket for all that is rare.
 *
 * Both are the same build, so these are plain structs.  The daemon believes nothing that the helper
 * may write: it keeps indices and tokens of its own, copies an entry once, and judges the copy.
 */
#ifndef LEAT_ISOLATE_WIRE_H
#define LEAT_ISOLATE_WIRE_H

#include "plugin_metrics.h"

#include <limits.h>
#include <stdatomic.h>

enum {
    ISOLATE_FD = 3,      /* the socket, in the helper */
    ISOLATE_FDS = 5,     /* what comes with the first message, in this order: */
    ISOLATE_FD_POOL = 0, /* the worker's pool, not writable */
    ISOLATE_FD_SHARED,   /* struct isolate_shared */
    ISOLATE_FD_OPTIONS,  /* isolate_options.h */
    ISOLATE_FD_BELL,     /* readable: the helper is woken; a byte into it wakes the daemon */
    ISOLATE_FD_OWN_BELL, /* the other end: a byte into it wakes the helper */
    ISOLATE_RING = 1024, /* a power of two, not less than WORKER_SLOTS */
    ISOLATE_RESULT_TEXT = 256,
    ISOLATE_MESSAGE_TEXT = 65536
};

struct isolate_offer {
    uint64_t token;
    uint64_t offset; /* of the first record, in the pool */
    uint32_t count, attempt;
    uint32_t epoch; /* moves after each recovery: what is older than a failure is not submitted */
    uint32_t reserved;
};

struct isolate_result {
    uint64_t token;
    int32_t status;
    uint32_t durable_count, retry_after_ms, hold_ms;
};

/* Indices only grow; an entry is complete before the index that covers it is stored (release). */
struct isolate_shared {
    _Alignas(64) _Atomic uint32_t offered; /* written by the daemon */
    _Atomic uint32_t taken;                /* written by the daemon: results that it has */
    _Atomic uint32_t asked;                /* written by the daemon: are you there? */
    _Atomic int32_t log_level;             /* written by the daemon: what is above is not logged */
    _Alignas(64) _Atomic uint32_t done;    /* written by the helper */
    _Atomic uint32_t told;                 /* written by the helper: messages that it has sent */
    _Atomic uint32_t answered;             /* written by the helper, each turn: what was asked */
    /* 1: sleeps, or is about to look for work once more before it does.  As struct doorbell's. */
    _Alignas(64) _Atomic uint32_t helper_asleep;
    _Alignas(64) _Atomic uint32_t daemon_asleep;
    _Alignas(64) struct isolate_offer offers[ISOLATE_RING];
    struct isolate_result results[ISOLATE_RING];
    char texts[ISOLATE_RING][ISOLATE_RESULT_TEXT]; /* of the results that are no OK */
    _Atomic uint64_t metric_bits[PLUGIN_METRICS_MAX];
    _Atomic uint32_t metric_set[PLUGIN_METRICS_MAX];
};

enum isolate_kind {
    ISOLATE_HELLO = 1, /* to the helper: text is a struct isolate_hello */
    ISOLATE_STOP,      /* to the helper: number is the deadline in ms */
    ISOLATE_VALUE,     /* to the helper: status, and the secret's value */
    ISOLATE_STARTED,   /* from it: status, holds in number, last; the error's text */
    ISOLATE_DOWN,      /* from it: what poll or submit said; the error's text */
    ISOLATE_STOPPED,   /* from it: it touches nothing any more, and is about to end */
    ISOLATE_LOG,       /* from it: number is the level; texts: message, then three a field */
    ISOLATE_METRIC,    /* from it: number is the kind; name, label, its value, help */
    ISOLATE_SECRET     /* from it: the option's name */
};

struct isolate_message {
    uint32_t kind;
    int32_t status;
    int32_t os_errno, exit_code;
    int64_t number;
    leat_identity last;
    uint32_t length; /* of text */
    uint32_t reserved;
    char text[ISOLATE_MESSAGE_TEXT];
};

struct isolate_hello {
    char pipeline[64], instance[64];
    char plugin[128], path[PATH_MAX]; /* of the library */
    char name_space[1024], format[16];
    uint64_t pool_base, pool_size; /* where the pool lies in the daemon */
    uint64_t options_size;
    leat_identity durable;
    uint32_t known;
    int32_t parent;
    uint32_t secrets;  /* 1: there are some to ask for */
    uint32_t is_trial; /* 1: create an instance, say ISOLATE_STARTED how that went, and no more */
};

/* Sends what the message's length says, with `count` descriptors.  False with errno set. */
bool isolate_send(int fd, struct isolate_message *message, const int *fds, int count, int flags);

/* 1: a whole message, its text NUL-terminated; 0: none now (MSG_DONTWAIT); -1: the other side is
 * gone; -2: it does not keep to the form.  fds: NULL, or room for ISOLATE_FDS, all of which must
 * come. */
int isolate_receive(int fd, struct isolate_message *message, int *fds, int flags);

/* The next NUL-terminated text of a message; NULL: there is none. */
const char *isolate_next_text(const struct isolate_message *message, uint32_t *at);

/* Adds one, cut to what fits; NULL is the empty one. */
void isolate_add_text(struct isolate_message *message, const char *text, size_t length);

/* Bells are a pair of sockets: whatever the other side does with its end or its flags, neither of
 * these waits. */
void isolate_ring(_Atomic uint32_t *asleep, int bell);

/* Rings whether it sleeps or not. */
void isolate_ring_anyway(int bell);

/* Takes what was rung; false: the other end is closed. */
bool isolate_hear(int bell);

#endif
