/* SPDX-License-Identifier: Apache-2.0
 *
 * status_json.c -- the picture as JSON, for programs and for the page.  See status.h.
 *
 * The shape is described in leat(1); members are added, never renamed.
 */
#include "status.h"

#include "encode.h"

#include "config_log.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void put_time(struct text_buffer *out, const char *name, int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm parts;
    char text[32];

    (void)gmtime_r(&seconds, &parts);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    text_print(out, "\"%s\":\"%s.%03dZ\"", name, text, (int)(us / 1000 % 1000));
}

static void put_lsn(struct text_buffer *out, const char *name, uint64_t position)
{
    char text[32];

    text[encode_lsn(position, text)] = '\0';
    text_print(out, "\"%s\":\"%s\"", name, text);
}

static void put_string(struct text_buffer *out, const char *name, const char *text)
{
    text_print(out, "\"%s\":", name);
    text_put_json(out, text);
}

/* null, or the newest error with its time. */
static void put_error(struct text_buffer *out, const struct note_copy *error)
{
    text_put_string(out, "\"last_error\":");
    if (error->at_us == 0) {
        text_put_string(out, "null");
        return;
    }
    text_put_string(out, "{");
    put_time(out, "time", error->at_us);
    text_put_string(out, ",");
    put_string(out, "text", error->text);
    text_print(out, ",\"count\":%" PRIu64 "}", error->count);
}

static uint64_t total(const struct histogram_copy *histogram)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count += histogram->buckets[i];
    return count;
}

/* The upper bound of the bucket in which this part of the whole lies, in ms; the last one is open.
 */
static double quantile_ms(const struct histogram_copy *histogram, uint64_t count, double part)
{
    uint64_t seen = 0;

    for (uint32_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        seen += histogram->buckets[i];
        if ((double)seen >= part * (double)count)
            return (double)histogram_bounds_us[i] / 1000;
    }
    return (double)histogram_bounds_us[HISTOGRAM_BOUNDS - 1] / 1000;
}

static void put_latency(struct text_buffer *out, const char *name,
                        const struct histogram_copy *histogram)
{
    uint64_t count = total(histogram);

    text_print(out, "\"%s\":", name);
    if (count == 0) {
        text_put_string(out, "null");
        return;
    }
    text_print(out, "{\"count\":%" PRIu64 ",\"mean\":%.3f,\"p50\":%g,\"p99\":%g}", count,
               (double)histogram->sum_us / 1000 / (double)count, quantile_ms(histogram, count, 0.5),
               quantile_ms(histogram, count, 0.99));
}

struct latency {
    const char *name;
    const struct histogram_copy *histogram;
};

static void put_latencies(struct text_buffer *out, const struct latency *latencies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_put_string(out, i ? "," : "");
        put_latency(out, latencies[i].name, latencies[i].histogram);
    }
}

/* The figures that a plugin gives of itself. */
static void put_metrics(struct text_buffer *out, const struct plugin_metric_copy *metrics,
                        uint32_t count)
{
    text_put_string(out, "\"metrics\":[");
    for (uint32_t i = 0; i < count; i++) {
        text_print(out, "%s{\"name\":\"%s\"", i ? "," : "", metrics[i].name);
        if (metrics[i].label)
            text_print(out, ",\"%s\":\"%s\"", metrics[i].label, metrics[i].label_value);
        if (isfinite(metrics[i].value))
            text_print(out, ",\"value\":%.17g}", metrics[i].value);
        else
            text_put_string(out, ",\"value\":null}");
    }
    text_put_string(out, "]");
}

static void put_sink(struct text_buffer *out, const struct status_sink *sink, bool present)
{
    const struct latency latencies[] = {{"queued", &sink->queued},
                                        {"delivered", &sink->delivered},
                                        {"commit_to_queued", &sink->commit_to_queued},
                                        {"commit_to_encoded", &sink->commit_to_encoded},
                                        {"commit_to_submitted", &sink->commit_to_submitted},
                                        {"commit_to_durable", &sink->commit_to_durable}};

    text_put_string(out, "{");
    put_string(out, "name", sink->name);
    text_put_string(out, ",");
    put_string(out, "plugin", sink->plugin);
    if (!present) {
        text_put_string(out, "}");
        return;
    }
    text_print(out, ",\"state\":\"%s\",\"up\":%s,", status_sink_word(sink->state),
               sink->up ? "true" : "false");
    put_string(out, "waits_for", status_waits_for(sink));
    text_print(out,
               ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"parts\":%" PRIu64
               ",\"retries\":%" PRIu64 ",\"rejects\":%" PRIu64 ",\"dead_letters\":%" PRIu64
               ",\"starts\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"missed\":%" PRIu64,
               sink->records, sink->bytes, sink->parts, sink->retries, sink->rejects,
               sink->dead_letters, sink->starts, sink->skipped, sink->missed);
    text_print(out,
               ",\"waiting_batches\":%" PRIu64 ",\"encoded_parts\":%" PRIu64
               ",\"lent_parts\":%" PRIu64 ",\"pool_bytes\":%" PRIu64 ",\"pool_used_bytes\":%" PRIu64
               ",\"oldest_unacknowledged_ms\":%" PRId64 ",\"retry_in_ms\":%" PRId64
               ",\"hold_ms\":%" PRId64 ",\"thread_stuck_ms\":%" PRId64 ",",
               sink->waiting_batches, sink->encoded_parts, sink->lent_parts, sink->pool_bytes,
               sink->pool_used_bytes, sink->oldest_ms, sink->retry_in_ms, sink->hold_ms,
               sink->still_ms);
    put_lsn(out, "position", sink->position);
    text_put_string(out, ",\"latency_ms\":{");
    put_latencies(out, latencies, sizeof latencies / sizeof *latencies);
    text_put_string(out, "},");
    put_metrics(out, sink->metrics, sink->metric_count);
    text_put_string(out, ",");
    put_error(out, &sink->error);
    text_put_string(out, "}");
}

static void put_tables(struct text_buffer *out, const struct status_pipeline *pipeline)
{
    text_put_string(out, "\"tables\":[");
    for (uint32_t i = 0; i < pipeline->table_count; i++) {
        const struct tally_copy *table = &pipeline->tables[i];
        text_put_string(out, i ? ",{" : "{");
        put_string(out, "schema", table->schema);
        text_put_string(out, ",");
        put_string(out, "table", table->table);
        text_print(out, ",\"changes\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", table->changes,
                   table->bytes);
    }
    text_put_string(out, "]");
}

static void put_source(struct text_buffer *out, const struct status_pipeline *pipeline)
{
    const struct latency latencies[] = {{"commit_to_received", &pipeline->commit_to_received},
                                        {"commit_to_published", &pipeline->commit_to_published},
                                        {"commit_to_confirmed", &pipeline->commit_to_confirmed}};

    put_string(out, "plugin", pipeline->plugin);
    text_print(out, ",\"state\":\"%s\",", status_source_word(pipeline->source));
    put_string(out, "detail", pipeline->detail.text);
    text_put_string(out, ",");
    put_string(out, "namespace", pipeline->name_space);
    text_print(out,
               ",\"connections\":%" PRIu64 ",\"changes\":%" PRIu64 ",\"batches\":%" PRIu64
               ",\"bytes\":%" PRIu64 ",\"starved\":%" PRIu64 ",\"changes_per_second\":%.1f,\"thread_stuck_ms\":%" PRId64 ",",
               pipeline->begins, pipeline->changes, pipeline->batches, pipeline->bytes,
               pipeline->starved, pipeline->changes_per_second, pipeline->still_ms);
    text_put_string(out, "\"latency_ms\":{");
    put_latencies(out, latencies, sizeof latencies / sizeof *latencies);
    text_put_string(out, "},\"operations\":{");
    for (uint16_t op = LEAT_INSERT; op < TALLY_OPERATIONS; op++)
        text_print(out, "%s\"%s\":%" PRIu64, op > LEAT_INSERT ? "," : "", encode_op_name(op),
                   pipeline->operations[op]);
    text_put_string(out, "},");
    put_tables(out, pipeline);
    text_put_string(out, ",");
    put_metrics(out, pipeline->metrics, pipeline->metric_count);
    text_put_string(out, ",");
    put_error(out, &pipeline->error);
}

static void put_pipeline(struct text_buffer *out, const struct status_pipeline *pipeline)
{
    struct text_buffer why = {0};

    status_reasons(pipeline, &why);
    text_put_string(out, "{");
    put_string(out, "name", pipeline->name);
    text_print(out, ",\"state\":\"%s\",\"ready\":%s,", status_pipeline_word(pipeline),
               why.length == 0 ? "true" : "false");
    put_string(out, "reasons", why.length ? why.text : "");
    if (pipeline->present) {
        text_put_string(out, ",\"source\":{");
        put_source(out, pipeline);
        text_put_string(out, "},\"positions\":{");
        put_lsn(out, "received", pipeline->received);
        text_put_string(out, ",");
        put_lsn(out, "durable", pipeline->durable);
        text_put_string(out, ",");
        put_lsn(out, "recorded", pipeline->recorded);
        text_print(out,
                   ",\"unconfirmed_bytes\":%" PRIu64 ",\"oldest_commit_ms\":%" PRId64
                   ",\"lag_bytes\":%" PRIu64 ",\"lag_ms\":%" PRId64 ",\"stuck_ms\":%" PRId64 "},"
                   "\"window_batches\":%" PRIu64 ",\"pool_bytes\":%" PRIu64
                   ",\"pool_used_bytes\":%" PRIu64,
                   pipeline->unconfirmed_bytes, pipeline->oldest_commit_ms, pipeline->lag_bytes,
                   pipeline->lag_ms, pipeline->stuck_ms, pipeline->window_batches,
                   pipeline->pool_bytes, pipeline->pool_used_bytes);
    }
    text_put_string(out, ",\"sinks\":[");
    for (size_t i = 0; i < pipeline->sink_count; i++) {
        text_put_string(out, i ? "," : "");
        put_sink(out, &pipeline->sinks[i], pipeline->present);
    }
    text_put_string(out, "]}");
    free(why.text);
}

static void put_log_levels(struct text_buffer *out, const struct status *status)
{
    text_put_string(out, "\"log_levels\":{");
    for (size_t i = 0; i < status->log_component_count; i++) {
        text_put_string(out, i ? "," : "");
        put_string(out, status->log_components[i].name,
                   config_log_words[status->log_components[i].level & 3]);
    }
    text_put_string(out, "}");
}

static void put_reload(struct text_buffer *out, const struct registry_reload *reload)
{
    text_print(out, "\"reload\":{\"last\":\"%s\",\"done\":%" PRIu64 ",\"refused\":%" PRIu64 ",",
               reload->at_us == 0      ? "none"
               : reload->last_was_good ? "done"
                                       : "refused",
               reload->good, reload->bad);
    put_time(out, "time", reload->at_us);
    text_put_string(out, ",");
    put_string(out, "text", reload->text);
    text_put_string(out, "}");
}

void status_json(const struct status *status, struct text_buffer *out)
{
    struct text_buffer why = {0};
    bool ready = status_ready(status, &why);

    text_put_string(out, "{");
    put_string(out, "version", LEAT_VERSION);
    text_print(out, ",\"pid\":%d,", (int)getpid());
    put_time(out, "time", status->now_us);
    text_put_string(out, ",");
    put_time(out, "started", status->started_us);
    text_print(out, ",\"uptime_ms\":%" PRId64 ",\"ready\":%s,", status->uptime_ms,
               ready ? "true" : "false");
    put_string(out, "reasons", ready || !why.text ? "" : why.text);
    text_print(out,
               ",\"stopping\":%s,\"log_level\":\"%s\",\"memory_bytes\":%" PRIu64
               ",\"resident_bytes\":%" PRIu64 ",\"cpu_seconds\":%.3f,",
               status->stopping ? "true" : "false", config_log_words[status->log_level & 3],
               status->memory_bytes, status->resident_bytes, status->cpu_seconds);
    put_log_levels(out, status);
    text_put_string(out, ",");
    put_reload(out, &status->reload);
    text_put_string(out, ",\"pipelines\":[");
    for (size_t i = 0; i < status->pipeline_count; i++) {
        text_put_string(out, i ? "," : "");
        put_pipeline(out, &status->pipelines[i]);
    }
    text_put_string(out, "]}\n");
    free(why.text);
}
