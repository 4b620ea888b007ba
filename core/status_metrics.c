/* SPDX-License-Identifier: Apache-2.0
 *
 * status_metrics.c -- the picture in Prometheus' text form.  See status.h.
 *
 * A family is a row of a table: its name, its help, and where its value lies in the picture.  Names
 * and units follow Prometheus' conventions; labels are names of the configuration.
 */
#include "status.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { UINT, MILLISECONDS, HISTOGRAM };

struct family {
    const char *name, *type, *help;
    size_t offset;
    enum kind kind;
};

#define P(member) offsetof(struct status_pipeline, member)
#define S(member) offsetof(struct status_sink, member)

static const struct family of_pipelines[] = {
    {"leat_source_up", "gauge", "1 while the source streams from its origin.", P(up), UINT},
    {"leat_source_changes_total", "counter", "Changes handed over by the source.", P(changes),
     UINT},
    {"leat_source_batches_total", "counter", "Batches published by the source.", P(batches), UINT},
    {"leat_source_bytes_total", "counter", "Bytes that came from the origin.", P(bytes), UINT},
    {"leat_source_starved_total", "counter", "Times that the source found no free memory.",
     P(starved), UINT},
    {"leat_source_connections_total", "counter", "Times that the origin was reached.", P(begins),
     UINT},
    {"leat_position_received", "gauge", "Newest position (LSN) seen by the source.", P(received),
     UINT},
    {"leat_position_durable", "gauge", "Position (LSN) up to which every sink is durable.",
     P(durable), UINT},
    {"leat_position_recorded", "gauge", "Position (LSN) that was recorded and may be confirmed.",
     P(recorded), UINT},
    {"leat_unconfirmed_bytes", "gauge", "Distance from the recorded to the received position.",
     P(unconfirmed_bytes), UINT},
    {"leat_oldest_commit_age_seconds", "gauge", "Age of the oldest transaction in flight.",
     P(oldest_commit_ms), MILLISECONDS},
    {"leat_window_batches", "gauge", "Batches in flight.", P(window_batches), UINT},
    {"leat_pool_bytes", "gauge", "Memory set aside for the source's batches.", P(pool_bytes), UINT},
    {"leat_pool_used_bytes", "gauge", "Memory that the source's batches take now.",
     P(pool_used_bytes), UINT},
    {"leat_source_publish_seconds", "histogram",
     "From the commit of a batch's last change until the batch was published.",
     P(commit_to_published), HISTOGRAM},
};

static const struct family of_sinks[] = {
    {"leat_sink_up", "gauge", "1 while the sink takes records.", S(up), UINT},
    {"leat_sink_records_total", "counter", "Records that are durable in the sink.", S(records),
     UINT},
    {"leat_sink_bytes_total", "counter", "Bytes of encoded values.", S(bytes), UINT},
    {"leat_sink_parts_total", "counter", "Parts of batches lent to the sink, repeats included.",
     S(parts), UINT},
    {"leat_sink_retries_total", "counter", "Back-offs after a failure.", S(retries), UINT},
    {"leat_sink_rejects_total", "counter", "Records that the sink will never take.", S(rejects),
     UINT},
    {"leat_sink_starts_total", "counter", "Successful starts of the sink.", S(starts), UINT},
    {"leat_sink_skipped_total", "counter", "Records skipped because the sink held them already.",
     S(skipped), UINT},
    {"leat_sink_waiting_batches", "gauge", "Batches that wait to be encoded.", S(waiting_batches),
     UINT},
    {"leat_sink_encoded_parts", "gauge", "Encoded parts that wait to be lent.", S(encoded_parts),
     UINT},
    {"leat_sink_lent_parts", "gauge", "Parts that the sink works on.", S(lent_parts), UINT},
    {"leat_sink_pool_bytes", "gauge", "Memory set aside for encoded records.", S(pool_bytes), UINT},
    {"leat_sink_pool_used_bytes", "gauge", "Memory that encoded records take now.",
     S(pool_used_bytes), UINT},
    {"leat_sink_position", "gauge", "Position (LSN) of the newest record durable in this run.",
     S(position), UINT},
    {"leat_sink_oldest_age_seconds", "gauge", "Age of the oldest record without acknowledgement.",
     S(oldest_ms), MILLISECONDS},
    {"leat_sink_queue_seconds", "histogram", "From the publishing of a batch until it was encoded.",
     S(queued), HISTOGRAM},
    {"leat_sink_delivery_seconds", "histogram", "From encoded until the sink called it durable.",
     S(delivered), HISTOGRAM},
    {"leat_sink_commit_seconds", "histogram",
     "From the commit of a batch's last change until it was durable in the sink.",
     S(commit_to_durable), HISTOGRAM},
};

/* Names of the configuration are of a-z, 0-9, _ and -: nothing to escape. */
struct labels {
    const char *pipeline, *sink;
};

static void put_labels(struct text_buffer *out, const struct labels *labels, const char *more)
{
    text_print(out, "{pipeline=\"%s\"", labels->pipeline);
    if (labels->sink)
        text_print(out, ",sink=\"%s\"", labels->sink);
    text_print(out, "%s} ", more);
}

static void put_histogram(struct text_buffer *out, const char *name, const struct labels *labels,
                          const struct histogram_copy *histogram)
{
    uint64_t count = 0;
    char bound[48];

    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->buckets[i];
        if (i < HISTOGRAM_BOUNDS)
            (void)snprintf(bound, sizeof bound, ",le=\"%g\"", (double)histogram_bounds_us[i] / 1e6);
        else
            (void)snprintf(bound, sizeof bound, ",le=\"+Inf\"");
        text_print(out, "%s_bucket", name);
        put_labels(out, labels, bound);
        text_print(out, "%" PRIu64 "\n", count);
    }
    text_print(out, "%s_sum", name);
    put_labels(out, labels, "");
    text_print(out, "%.6f\n%s_count", (double)histogram->sum_us / 1e6, name);
    put_labels(out, labels, "");
    text_print(out, "%" PRIu64 "\n", count);
}

static void put_sample(struct text_buffer *out, const struct family *family,
                       const struct labels *labels, const void *base)
{
    const void *at = (const char *)base + family->offset;

    if (family->kind == HISTOGRAM) {
        put_histogram(out, family->name, labels, at);
        return;
    }
    text_put_string(out, family->name);
    put_labels(out, labels, "");
    if (family->kind == UINT)
        text_print(out, "%" PRIu64 "\n", *(const uint64_t *)at);
    else
        text_print(out, "%.3f\n", (double)*(const int64_t *)at / 1000);
}

static void put_head(struct text_buffer *out, const char *name, const char *type, const char *help)
{
    text_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_of_pipelines(const struct status *status, struct text_buffer *out)
{
    for (size_t f = 0; f < sizeof of_pipelines / sizeof *of_pipelines; f++) {
        const struct family *family = &of_pipelines[f];
        put_head(out, family->name, family->type, family->help);
        for (size_t i = 0; i < status->pipeline_count; i++) {
            struct labels labels = {status->pipelines[i].name, NULL};
            if (status->pipelines[i].present)
                put_sample(out, family, &labels, &status->pipelines[i]);
        }
    }
}

static void put_of_sinks(const struct status *status, struct text_buffer *out)
{
    for (size_t f = 0; f < sizeof of_sinks / sizeof *of_sinks; f++) {
        const struct family *family = &of_sinks[f];
        put_head(out, family->name, family->type, family->help);
        for (size_t i = 0; i < status->pipeline_count; i++) {
            const struct status_pipeline *pipeline = &status->pipelines[i];
            for (size_t s = 0; pipeline->present && s < pipeline->sink_count; s++) {
                struct labels labels = {pipeline->name, pipeline->sinks[s].name};
                put_sample(out, family, &labels, &pipeline->sinks[s]);
            }
        }
    }
}

static void put_of_process(const struct status *status, struct text_buffer *out)
{
    struct text_buffer why = {0};

    put_head(out, "leat_build_info", "gauge", "1, with the version as a label.");
    text_print(out, "leat_build_info{version=\"%s\"} 1\n", LEAT_VERSION);
    put_head(out, "leat_ready", "gauge", "1 while /readyz says ok.");
    text_print(out, "leat_ready %d\n", status_ready(status, &why));
    free(why.text);
    put_head(out, "leat_memory_limit_bytes", "gauge", "The option memory.");
    text_print(out, "leat_memory_limit_bytes %" PRIu64 "\n", status->memory_bytes);
    put_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    text_print(out, "process_cpu_seconds_total %.3f\n", status->cpu_seconds);
    put_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    text_print(out, "process_resident_memory_bytes %" PRIu64 "\n", status->resident_bytes);
    put_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    text_print(out, "process_open_fds %" PRIu64 "\n", status->open_files);
    put_head(out, "process_start_time_seconds", "gauge", "Start, since 1970-01-01 UTC.");
    text_print(out, "process_start_time_seconds %.3f\n", (double)status->started_us / 1e6);
}

void status_metrics(const struct status *status, struct text_buffer *out)
{
    put_of_process(status, out);
    put_of_pipelines(status, out);
    put_of_sinks(status, out);
}
