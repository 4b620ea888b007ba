/* SPDX-License-Identifier: Apache-2.0
 *
 * rig.h -- the daemon's side of an isolated sink without a daemon: a worker that is only what
 * core/isolate.c needs of one, with a host that writes down what it is told.  [main thread]
 */
#ifndef LEAT_TESTS_ISOLATE_RIG_H
#define LEAT_TESTS_ISOLATE_RIG_H

#include "isolate.h"
#include "plugin_load.h"
#include "plugin_metrics.h"
#include "worker.h"

enum { RIG_BATCHES = 8, RIG_RECORDS = 4 };

struct rig {
    struct worker worker; /* first: the host's handle is this */
    struct plugin plugin;
    struct config_sink config;
    leat_sink_ops ops;
    leat_sink *sink;
    leat_batch batches[RIG_BATCHES];
    uint32_t records; /* of each batch */
    uint32_t submitted;
    int given_back[RIG_BATCHES]; /* how often */
    leat_status results[RIG_BATCHES];
    uint32_t wrong; /* results that no host may be given */
    uint32_t lines; /* of the log */
    char log[16384];
    char option[64], secret[64];
    leat_strings list;
    leat_pairs pairs;
    leat_error error;
    leat_sink_start start;
};

/* case: the instance's name.  Options and a pool are made; nothing is started. */
void rig_init(struct rig *rig, const char *case_name, int64_t timeout_ms);
void rig_fini(struct rig *rig);

/* Until start says something else than AGAIN. */
leat_status rig_start(struct rig *rig);

/* Submits what it has, and polls until all is back or poll is not OK. */
leat_status rig_run(struct rig *rig);

/* The next batch, if any is left; AGAIN as submit says. */
leat_status rig_submit(struct rig *rig);

bool rig_is_done(const struct rig *rig);

/* The options of the plugin, for who has to unpack them. */
struct rig_options {
    const char *text, *secret, *none;
    int64_t number;
    bool flag;
    leat_strings list;
    leat_pairs pairs;
};

extern const leat_option rig_rows[];
extern const size_t rig_row_count;

#endif
