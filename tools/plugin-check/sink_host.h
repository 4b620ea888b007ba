/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_host.h -- the host's side of a sink, on the model of core/worker.c, with eyes everywhere.
 *
 * [child, main], but for what the plugin calls.  Parts of the stream are offered in order; what is
 * lent lies in memory of its own and is closed the moment it comes back.
 */
#ifndef CHECK_SINK_HOST_H
#define CHECK_SINK_HOST_H

#include "lend.h"
#include "subject.h"

#include <pthread.h>

enum { PARTS_MAX = 256 };

enum part_state { PART_READY, PART_OFFERED, PART_LENT, PART_REPORTED };

struct part {
    uint64_t from, token;
    uint32_t count, attempt;
    struct piece *piece;   /* NULL: not built since it was last given back */
    enum part_state state; /* under the host's lock while it is offered or lent */
    bool refused;          /* submit has said AGAIN to it since it was last taken */
    bool again;            /* it was given back before: an answer now is one too many */
    leat_result result;
    char text[LEAT_ERROR_TEXT];
};

struct sink_host {
    leat_host host;           /* first */
    unsigned char longer[64]; /* a newer host's members */
    leat_sink *sink;
    pthread_mutex_t lock;
    struct part parts[PARTS_MAX]; /* a queue: head, next to offer, tail */
    uint32_t head, next, tail, lent;
    uint64_t made, until; /* the next number to cut; where offering ends */
    uint64_t token;
    uint32_t extra;      /* bytes by which structs are longer */
    uint32_t window;     /* parts that may be lent at once */
    uint32_t sizes;      /* turns of the sizes of parts */
    uint32_t rejected;   /* records given back with EREJECT */
    uint32_t recoveries; /* times that it had to begin again */
    bool recovering, up, stopped, fatal;
    bool failing; /* under lock: an error was given, what was lent behind it must fail, too */
    uint64_t failing_from;
    leat_sink_start start;
    leat_error error;
};

/* The host alone, for a create of the caller's own. */
void sink_host_prepare(struct sink_host *host, uint32_t extra);

/* Creates the instance; ends the trial where that fails. */
void sink_host_open(struct sink_host *host, uint32_t extra);
void sink_host_close(struct sink_host *host); /* destroy */

/* start, until it is up; false: it is not, which is a finding or `skipped`. */
bool sink_host_start(struct sink_host *host);
void sink_host_stop(struct sink_host *host, uint32_t deadline_ms);

/* Offers until the window is full or the sink says AGAIN.  Returns the number of parts taken. */
uint32_t sink_host_submit(struct sink_host *host);
leat_status sink_host_poll(struct sink_host *host, int32_t wait_ms, const char *name);
bool sink_host_take(struct sink_host *host); /* results; true when there were any */

/* Everything up to number `until` becomes durable, with as many tries as it takes; false: not in
 * time. */
bool sink_host_deliver(struct sink_host *host, uint64_t until);
void sink_host_wake(struct sink_host *host); /* makes wake_fd readable */

#endif
