/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_host.h -- a host for one source, without threads: counts what is published, calls it
 * durable at once, and keeps the log lines.  One thread only.
 */
#ifndef LEAT_TEST_STREAM_HOST_H
#define LEAT_TEST_STREAM_HOST_H

#include "decoder.h"
#include "pgoutput_options.h"

struct stream_host {
    leat_host api; /* first */
    leat_writer writer;
    unsigned char *slab;
    size_t slab_size;
    bool open;
    bool starve; /* no memory for a batch */
    bool forget; /* nothing becomes durable */
    bool busy;   /* what sinks_busy says */
    uint64_t serial, durable, idle;
    uint64_t inserts, updates, deletes, truncates, messages, batches, empty_batches;
    uint64_t doubled; /* identities that did not ascend */
    leat_identity last;
    unsigned begins, confirms, warnings;
    leat_progress told;
    uint64_t origin_position;
    char facts[4][2][64]; /* of the last begin */
    char log[64 * 1024];  /* "message key=value ...\n", the newest last */
    leat_source *source;
    leat_error error;
    leat_status status; /* of the last poll that was not OK */
};

void stream_host_init(struct stream_host *host);
void stream_host_fini(struct stream_host *host); /* destroys the source too */

/* Creates and starts the source. */
void stream_host_run(struct stream_host *host, const struct pgoutput_options *options,
                     const leat_source_start *start);

/* One poll and, where something moved, one progress. */
leat_status stream_host_step(struct stream_host *host, int32_t max_wait_ms);

void stream_host_stop(struct stream_host *host);

#endif
