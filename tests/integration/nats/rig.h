/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.h -- the NATS sink, driven as the core drives it, over a numbered load: change i has the
 * identity (1 + i / per_transaction, i % per_transaction) and the value {"n":i}.
 *
 * The rig is the host's worker: it offers batches in order, offers again what came back, starts the
 * sink again when it lost its server, skips what the sink says it holds, and keeps what is durable.
 */
#ifndef RIG_H
#define RIG_H

#include "bus.h"
#include "fake_sink_host.h"
#include "options.h"

struct rig {
    const leat_plugin *plugin;
    const leat_sink_ops *ops;
    struct fake_host *fake;
    struct nats_options options;
    const char *url[4];
    leat_sink *sink;
    bool up;
    leat_sink_start start; /* of the last start */
    leat_error error;      /* of the last failure */

    const char *subject; /* of all records; default "S.t" */
    int64_t other_from;  /* from this change on they go to other_subject; -1: never */
    const char *other_subject;
    size_t value_size; /* pad values to this; 0: no */
    uint32_t per_transaction, per_batch;
    uint64_t offered, durable; /* changes: [0, durable) are durable, [durable, offered) lent */
    bool held;                 /* nothing is confirmed yet: confirm_hold has not passed */
    int64_t large_change;      /* this one's value is large_size bytes long; -1: none */
    size_t large_size;
    uint64_t restarts, rejects;
    leat_status last_status;
    char last_text[512];
    struct fake_batch *batches[64]; /* lent, in order */
    uint64_t batch_from[64];
    size_t batch_count;
};

/* A stream's usual configuration: stream "S", defaults as in the option table. */
void rig_init(struct rig *rig, const struct bus *bus);
void rig_create(struct rig *rig);  /* create; aborts on failure */
void rig_destroy(struct rig *rig); /* stop, destroy; as a clean end */
void rig_forget(struct rig *rig);  /* as kill -9: no stop; the connection is dropped */
leat_status rig_start(struct rig *rig, int32_t timeout_ms);
/* Drives until `until` changes are durable, or timeout.  Keeps `ahead` changes offered. */
bool rig_run(struct rig *rig, uint64_t until, int32_t timeout_ms);
/* One step of it: false on ECONFIG, EFATAL, or a rejected record. */
bool rig_step(struct rig *rig, uint64_t until);
leat_identity rig_identity(const struct rig *rig, uint64_t change);

#endif
