/* SPDX-License-Identifier: Apache-2.0
 *
 * status_table.c -- the picture as a table for people: what `leat status` prints.  See status.h.
 *
 * Every text goes through text_put_plain, so that a terminal shows it and obeys none of it.
 */
#include "status.h"

#include "encode.h"
#include "plural.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *bytes_text(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    int unit = 0;

    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, size, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

static const char *time_text(int64_t ms, char *text, size_t size)
{
    int64_t seconds = ms / 1000;

    if (ms < 1000)
        (void)snprintf(text, size, "%" PRId64 " ms", ms);
    else if (seconds < 120)
        (void)snprintf(text, size, "%.1f s", (double)ms / 1000);
    else if (seconds < 7200)
        (void)snprintf(text, size, "%" PRId64 " min", seconds / 60);
    else if (seconds < 172800)
        (void)snprintf(text, size, "%" PRId64 " h", seconds / 3600);
    else
        (void)snprintf(text, size, "%" PRId64 " d", seconds / 86400);
    return text;
}

static const char *lsn_text(uint64_t position, char *text)
{
    text[encode_lsn(position, text)] = '\0';
    return text;
}

static void put_note(struct text_buffer *out, int64_t now_us, const char *label,
                     const struct note_copy *note)
{
    char age[32];

    if (note->at_us == 0)
        return;
    text_print(out, "    %s, %s ago", label,
               time_text((now_us - note->at_us) / 1000, age, sizeof age));
    if (note->count > 1)
        text_print(out, " (%" PRIu64 " times)", note->count);
    text_put_string(out, ": ");
    text_put_plain(out, note->text);
    text_put_string(out, "\n");
}

/* With isolate: true. */
static void put_process(struct text_buffer *out, const struct status_sink *sink)
{
    double starts = plugin_metrics_value(sink->metrics, sink->metric_count, "helper_starts_total");
    double pid = plugin_metrics_value(sink->metrics, sink->metric_count, "helper_pid");

    if (starts == 0)
        return;
    if (pid > 0)
        text_print(out, "    in a process of its own, %.0f", pid);
    else
        text_put_string(out, "    its process is gone");
    if (starts > 1)
        text_print(out, ", begun %.0f times", starts);
    text_put_string(out, "\n");
}

static void put_sink(struct text_buffer *out, const struct status *status,
                     const struct status_sink *sink)
{
    char size[32], age[32], lsn[32];

    text_print(out, "  sink %-14s %-11s %10" PRIu64 " records  %10s  at %s\n", sink->name,
               status_sink_word(sink->state), sink->records,
               bytes_text(sink->bytes, size, sizeof size), lsn_text(sink->position, lsn));
    if (sink->oldest_ms > 0 || !sink->up || sink->still_ms > 0) {
        text_print(out, "    waits for %s", status_waits_for(sink));
        if (sink->oldest_ms > 0)
            text_print(out, ", oldest record %s", time_text(sink->oldest_ms, age, sizeof age));
        if (sink->retry_in_ms > 0)
            text_print(out, ", next try in %s", time_text(sink->retry_in_ms, age, sizeof age));
        text_put_string(out, "\n");
    }
    if (sink->hold_ms > 0)
        text_print(out, "    what it acknowledges is confirmed %s later, as it asks for\n",
                   time_text(sink->hold_ms, age, sizeof age));
    if (sink->retries + sink->rejects > 0)
        text_print(out, "    %" PRIu64 " %s, %" PRIu64 " %s\n", sink->retries,
                   plural(sink->retries, "retry", "retries"), sink->rejects,
                   plural(sink->rejects, "reject", "rejects"));
    put_process(out, sink);
    put_note(out, status->now_us, "last warning", &sink->error);
}

static void put_pipeline(struct text_buffer *out, const struct status *status,
                         const struct status_pipeline *pipeline)
{
    char size[32], age[32], received[32], recorded[32];

    text_print(out, "\npipeline %s: %s\n", pipeline->name, status_pipeline_word(pipeline));
    if (!pipeline->present)
        return;
    text_print(out, "  source %-12s %-11s %10" PRIu64 " changes  %10s  %.0f/s", pipeline->plugin,
               status_source_word(pipeline->source), pipeline->changes,
               bytes_text(pipeline->bytes, size, sizeof size), pipeline->changes_per_second);
    if (*pipeline->name_space) {
        text_put_string(out, "  slot ");
        text_put_plain(out, pipeline->name_space);
    }
    text_put_string(out, "\n");
    if (*pipeline->detail.text && !pipeline->up) {
        text_put_string(out, "    ");
        text_put_plain(out, pipeline->detail.text);
        text_put_string(out, "\n");
    }
    if (pipeline->still_ms > 0)
        text_print(out, "    stuck: its thread has not come back from the plugin for %s\n",
                   time_text(pipeline->still_ms, age, sizeof age));
    text_print(out, "    received %s, confirmed %s: %s behind",
               lsn_text(pipeline->received, received), lsn_text(pipeline->recorded, recorded),
               bytes_text(pipeline->unconfirmed_bytes, size, sizeof size));
    if (pipeline->oldest_commit_ms > 0)
        text_print(out, ", oldest commit %s",
                   time_text(pipeline->oldest_commit_ms, age, sizeof age));
    text_print(out, "; %" PRIu64 " %s in flight, memory %.0f %%\n", pipeline->window_batches,
               plural(pipeline->window_batches, "batch", "batches"),
               pipeline->pool_bytes
                   ? 100 * (double)pipeline->pool_used_bytes / (double)pipeline->pool_bytes
                   : 0);
    put_note(out, status->now_us, "last warning", &pipeline->error);
    if (pipeline->cannot_record)
        put_note(out, status->now_us, "cannot record", &pipeline->record_error);
    for (size_t i = 0; i < pipeline->sink_count; i++)
        put_sink(out, status, &pipeline->sinks[i]);
}

void status_table(const struct status *status, struct text_buffer *out)
{
    struct text_buffer why = {0};
    char up[32], size[32];
    bool ready = status_ready(status, &why);

    text_print(out, "leat %s, up %s, %s resident, %s\n", LEAT_VERSION,
               time_text(status->uptime_ms, up, sizeof up),
               bytes_text(status->resident_bytes, size, sizeof size),
               ready ? "ready" : "NOT READY");
    if (!ready && why.text)
        text_put_string(out, why.text);
    for (size_t i = 0; i < status->pipeline_count; i++)
        put_pipeline(out, status, &status->pipelines[i]);
    free(why.text);
}
