/* SPDX-License-Identifier: Apache-2.0
 *
 * status.h -- a picture of the whole daemon at one moment, and its forms: JSON, Prometheus, a table
 * for people, ready or not.
 *
 * status_take copies under the registry's lock; everything after works on the copy.  [any], but
 * never a source or worker thread.  Nothing in it comes from a plugin's options or from a row, so
 * there is no secret in it by construction; error texts are those of the log.
 */
#ifndef LEAT_STATUS_H
#define LEAT_STATUS_H

#include "histogram.h"
#include "journal.h"
#include "log.h"
#include "note.h"
#include "plugin_metrics.h"
#include "registry.h"
#include "tally.h"
#include "text_buffer.h"

struct status_sink {
    char name[64];
    const char *plugin; /* static */
    int state;          /* enum worker_state */
    uint64_t up;        /* 1: it takes records */
    uint64_t records, bytes, parts, retries, rejects, dead_letters, starts, skipped;
    uint64_t missed; /* changes that it was not given while it was dropped */
    uint64_t waiting_batches, encoded_parts, lent_parts;
    uint64_t pool_bytes, pool_used_bytes;
    uint64_t position; /* of the newest record known durable in it, in this run; 0: none */
    int64_t oldest_ms; /* age of the oldest record that is not acknowledged; 0: there is none */
    int64_t retry_in_ms;
    int64_t hold_ms;  /* the sink's own wish: confirmed so long after it is acknowledged */
    int64_t stall_ms; /* of the configuration: older than this is a stall */
    int64_t still_ms; /* so long its thread has not come back from the plugin; 0: it turns */
    struct note_copy error;
    struct histogram_copy queued, delivered;
    struct histogram_copy commit_to_queued, commit_to_encoded, commit_to_submitted,
        commit_to_durable;
    struct plugin_metric_copy metrics[PLUGIN_METRICS_MAX];
    uint32_t metric_count;
};

struct status_pipeline {
    char name[64];
    const char *plugin; /* static */
    bool begun;
    bool present;                      /* false: only the two names mean something */
    int state;                         /* enum pipeline_state */
    int hold;                          /* enum pipeline_hold */
    bool settled;                      /* while it is held: all that was handed out is delivered */
    int source;                        /* LEAT_STATE_... */
    char name_space[JOURNAL_TEXT_MAX]; /* the slot; empty: the origin was never reached */
    struct note_copy detail, error, record_error;
    bool cannot_record;
    uint64_t up; /* 1: the source streams */
    uint64_t changes, batches, bytes, starved, begins;
    uint64_t received, durable, recorded, unconfirmed_bytes;
    uint64_t window_batches, pool_bytes, pool_used_bytes;
    uint64_t
        lag_bytes;    /* what is not confirmed, of what the origin has sent or, where known, has */
    int64_t lag_ms;   /* likewise, in time */
    int64_t stuck_ms; /* something is in flight, and nothing has moved for so long */
    int64_t still_ms; /* so long the source's thread has not come back from the plugin; 0: it turns */
    int64_t oldest_commit_ms; /* age of the oldest transaction in flight; 0: nothing is */
    double changes_per_second;
    struct histogram_copy commit_to_received, commit_to_published, commit_to_confirmed;
    uint64_t operations[TALLY_OPERATIONS];
    const struct tally_copy *tables; /* of the same piece of memory as the whole picture */
    uint32_t table_count;
    struct plugin_metric_copy metrics[PLUGIN_METRICS_MAX];
    uint32_t metric_count;
    struct status_sink sinks[JOURNAL_SINKS_MAX];
    size_t sink_count;
};

struct status {
    bool began, stopping;
    char failed[FAILURE_LINE_MAX]; /* what it stops for; empty: it was told to */
    int64_t started_us, now_us, uptime_ms, control_age_ms;
    double cpu_seconds;
    uint64_t resident_bytes, virtual_bytes, open_files, max_files, threads, memory_bytes;
    int64_t taking_ns; /* how long the picture took */
    struct registry_reload reload;
    int log_level;
    struct log_component log_components[LOG_COMPONENTS];
    size_t log_component_count;
    size_t pipeline_count;
    struct status_pipeline pipelines[];
};

/* Owned by the caller, who frees it; NULL: no memory. */
struct status *status_take(struct registry *registry);

void status_json(const struct status *status, struct text_buffer *out);
void status_metrics(const struct status *status, struct text_buffer *out);
void status_table(const struct status *status, struct text_buffer *out);

const char *status_compiler(void); /* what built this program; static */

/* True, with "ok"; or false with a line for each reason. */
bool status_ready(const struct status *status, struct text_buffer *out);

/* Why this pipeline is not ready, or nothing. */
void status_reasons(const struct status_pipeline *pipeline, struct text_buffer *out);

const char *status_pipeline_word(const struct status_pipeline *pipeline);
const char *status_source_word(int state);
const char *status_sink_word(int state);

/* What the sink waits for, in words; "" where it waits for nothing but new changes. */
const char *status_waits_for(const struct status_sink *sink);

#endif
