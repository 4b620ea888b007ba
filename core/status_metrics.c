/* SPDX-License-Identifier: Apache-2.0
 *
 * status_metrics.c -- the picture in Prometheus' text form.  See status.h.
 *
 * A family is a row of a table: its name, its help, and where its value lies in the picture.  Names
 * and units follow Prometheus' conventions.  Labels are names of the configuration, but for those
 * of tables, which are escaped.  A scrape stays under a millisecond: a line is put together from
 * pieces without printf.
 */
#include "status.h"

#include "encode.h"
#include "metric_text.h"
#include "status_internal.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    {"leat_source_errors_total", "counter", "Warnings and errors of the source.", P(error.count),
     UINT},
    {"leat_source_lag_bytes", "gauge",
     "From what is confirmed to the newest position of the origin, as far as it is known.",
     P(lag_bytes), UINT},
    {"leat_source_lag_seconds", "gauge", "Age of the oldest commit that is not confirmed.",
     P(lag_ms), MILLISECONDS},
    {"leat_source_stuck_seconds", "gauge",
     "For how long something has been in flight while nothing moved.", P(stuck_ms), MILLISECONDS},
    {"leat_source_thread_stuck_seconds", "gauge",
     "For how long the source's thread has not come back from the plugin.", P(still_ms),
     MILLISECONDS},
    {"leat_position_received", "gauge", "Newest position (LSN) seen by the source.", P(received),
     UINT},
    {"leat_position_durable", "gauge", "Position (LSN) up to which every sink is durable.",
     P(durable), UINT},
    {"leat_position_recorded", "gauge", "Position (LSN) that was recorded and may be confirmed.",
     P(recorded), UINT},
    {"leat_window_batches", "gauge", "Batches in flight.", P(window_batches), UINT},
    {"leat_pool_bytes", "gauge", "Memory set aside for the source's batches.", P(pool_bytes), UINT},
    {"leat_pool_used_bytes", "gauge", "Memory that the source's batches take now.",
     P(pool_used_bytes), UINT},
    {"leat_source_received_latency_seconds", "histogram",
     "From the commit of a batch's first change until it was received.", P(commit_to_received),
     HISTOGRAM},
    {"leat_source_decoded_latency_seconds", "histogram",
     "From the commit of a batch's last change until the batch was decoded and published.",
     P(commit_to_published), HISTOGRAM},
    {"leat_source_confirmed_latency_seconds", "histogram",
     "From the commit of a transaction until its position was recorded and given to the source to "
     "confirm.",
     P(commit_to_confirmed), HISTOGRAM},
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
    {"leat_sink_dead_letters_total", "counter", "Records that were kept as dead letters.",
     S(dead_letters), UINT},
    {"leat_sink_starts_total", "counter", "Successful starts of the sink.", S(starts), UINT},
    {"leat_sink_missed_total", "counter", "Changes not given to the sink while it was dropped.",
     S(missed), UINT},
    {"leat_sink_skipped_total", "counter", "Records skipped because the sink held them already.",
     S(skipped), UINT},
    {"leat_sink_errors_total", "counter", "Warnings and errors of the sink.", S(error.count), UINT},
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
    {"leat_sink_thread_stuck_seconds", "gauge",
     "For how long the sink's thread has not come back from the plugin.", S(still_ms),
     MILLISECONDS},
    {"leat_sink_confirm_hold_seconds", "gauge",
     "So long after its acknowledgement a record is confirmed, as the sink asks for.", S(hold_ms),
     MILLISECONDS},
    {"leat_sink_queue_duration_seconds", "histogram",
     "From the publishing of a batch until it was encoded.", S(queued), HISTOGRAM},
    {"leat_sink_delivery_duration_seconds", "histogram",
     "From encoded until the sink called it durable.", S(delivered), HISTOGRAM},
    {"leat_sink_queued_latency_seconds", "histogram",
     "From the commit of a batch's last change until the batch left the queue.",
     S(commit_to_queued), HISTOGRAM},
    {"leat_sink_encoded_latency_seconds", "histogram",
     "From the commit of a batch's last change until the batch was encoded.", S(commit_to_encoded),
     HISTOGRAM},
    {"leat_sink_submitted_latency_seconds", "histogram",
     "From the commit of a batch's last change until the batch was given to the sink.",
     S(commit_to_submitted), HISTOGRAM},
    {"leat_sink_durable_latency_seconds", "histogram",
     "From the commit of a batch's last change until it was durable in the sink.",
     S(commit_to_durable), HISTOGRAM},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- pipelines and sinks -------------------------------------------------------------------- */

static void put_sample(struct text_buffer *out, const struct family *family,
                       const struct metric_labels *labels, const void *base)
{
    const void *at = (const char *)base + family->offset;

    if (family->kind == HISTOGRAM) {
        metric_put_histogram(out, family->name, labels, at);
        return;
    }
    metric_put_name(out, family->name, "", labels, "");
    if (family->kind == UINT)
        metric_put_uint(out, *(const uint64_t *)at);
    else
        metric_put_real(out, (double)*(const int64_t *)at / 1000);
}

static void put_of_pipelines(const struct status *status, struct text_buffer *out)
{
    for (size_t f = 0; f < COUNT(of_pipelines); f++) {
        const struct family *family = &of_pipelines[f];
        metric_put_head(out, family->name, family->type, family->help);
        for (size_t i = 0; i < status->pipeline_count; i++) {
            const struct status_pipeline *pipeline = &status->pipelines[i];
            struct metric_labels labels = metric_labels(pipeline->name, NULL);
            if (pipeline->present)
                put_sample(out, family, &labels, pipeline);
        }
    }
}

static void put_of_sinks(const struct status *status, struct text_buffer *out)
{
    for (size_t f = 0; f < COUNT(of_sinks); f++) {
        const struct family *family = &of_sinks[f];
        metric_put_head(out, family->name, family->type, family->help);
        for (size_t i = 0; i < status->pipeline_count; i++) {
            const struct status_pipeline *pipeline = &status->pipelines[i];
            for (size_t s = 0; pipeline->present && s < pipeline->sink_count; s++) {
                struct metric_labels labels =
                    metric_labels(pipeline->name, pipeline->sinks[s].name);
                put_sample(out, family, &labels, &pipeline->sinks[s]);
            }
        }
    }
}

/* A state is a label, and the one that is has the value 1. */
static void put_states(const struct status *status, struct text_buffer *out)
{
    char more[64];

    metric_put_head(out, "leat_pipeline_ready", "gauge",
                    "1 while nothing of it keeps /readyz from ok.");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct metric_labels labels = metric_labels(pipeline->name, NULL);
        struct text_buffer why = {0};
        status_reasons(pipeline, &why);
        metric_put_name(out, "leat_pipeline_ready", "", &labels, "");
        metric_put_uint(out, why.length == 0);
        free(why.text);
    }
    metric_put_head(out, "leat_pipeline_state", "gauge",
                    "1 for the state that the pipeline is in.");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct metric_labels labels = metric_labels(pipeline->name, NULL);
        (void)snprintf(more, sizeof more, ",state=\"%s\"", status_pipeline_word(pipeline));
        metric_put_name(out, "leat_pipeline_state", "", &labels, more);
        metric_put_uint(out, 1);
    }
    metric_put_head(out, "leat_source_state", "gauge", "1 for the state that the source is in.");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct metric_labels labels = metric_labels(pipeline->name, NULL);
        (void)snprintf(more, sizeof more, ",state=\"%s\"", status_source_word(pipeline->source));
        if (!pipeline->present)
            continue;
        metric_put_name(out, "leat_source_state", "", &labels, more);
        metric_put_uint(out, 1);
    }
    metric_put_head(out, "leat_sink_state", "gauge", "1 for the state that the sink is in.");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        for (size_t s = 0; pipeline->present && s < pipeline->sink_count; s++) {
            struct metric_labels labels = metric_labels(pipeline->name, pipeline->sinks[s].name);
            (void)snprintf(more, sizeof more, ",state=\"%s\"",
                           status_sink_word(pipeline->sinks[s].state));
            metric_put_name(out, "leat_sink_state", "", &labels, more);
            metric_put_uint(out, 1);
        }
    }
}

static void put_operations(const struct status *status, struct text_buffer *out)
{
    static const char name[] = "leat_source_operations_total";
    char more[64];

    metric_put_head(out, name, "counter", "Changes handed over by the source, by operation.");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct metric_labels labels = metric_labels(pipeline->name, NULL);
        for (uint16_t op = LEAT_INSERT; pipeline->present && op < TALLY_OPERATIONS; op++) {
            (void)snprintf(more, sizeof more, ",op=\"%s\"", encode_op_name(op));
            metric_put_name(out, name, "", &labels, more);
            metric_put_uint(out, pipeline->operations[op]);
        }
    }
}

/* ---- tables --------------------------------------------------------------------------------- */

/* A label's value: tally.h has taken out what is not printable. */
static char *escape(char *at, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            *at++ = '\\';
        *at++ = *text;
    }
    return at;
}

static void put_of_tables(const struct status *status, struct text_buffer *out, const char *name,
                          const char *help, size_t offset)
{
    char more[2 * 2 * TALLY_NAME + 32];

    metric_put_head(out, name, "counter", help);
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct metric_labels labels = metric_labels(pipeline->name, NULL);
        for (uint32_t t = 0; t < pipeline->table_count; t++) {
            const struct tally_copy *table = &pipeline->tables[t];
            char *at = stpcpy(more, ",schema=\"");
            at = stpcpy(escape(at, table->schema), "\",table=\"");
            (void)stpcpy(escape(at, table->table), "\"");
            metric_put_name(out, name, "", &labels, more);
            metric_put_uint(out, *(const uint64_t *)(const void *)((const char *)table + offset));
        }
    }
}

bool status__has_metric(const char *name)
{
    for (size_t i = 0; i < COUNT(of_pipelines); i++)
        if (strcmp(of_pipelines[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < COUNT(of_sinks); i++)
        if (strcmp(of_sinks[i].name, name) == 0)
            return true;
    return strcmp(name, "leat_sink_state") == 0 || strcmp(name, "leat_source_state") == 0 ||
           strcmp(name, "leat_source_operations_total") == 0;
}

void status_metrics(const struct status *status, struct text_buffer *out)
{
    status__process_metrics(status, out);
    put_states(status, out);
    put_of_pipelines(status, out);
    put_operations(status, out);
    put_of_tables(status, out, "leat_table_changes_total", "Changes handed over, by table.",
                  offsetof(struct tally_copy, changes));
    put_of_tables(status, out, "leat_table_bytes_total", "Bytes received for them, by table.",
                  offsetof(struct tally_copy, bytes));
    put_of_sinks(status, out);
    status__given_metrics(status, out);
}
