/* SPDX-License-Identifier: Apache-2.0
 *
 * status_ready.c -- whether the picture is a good one, and if not, why: a line for each reason.  [any]
 *
 * Nothing here looks at anything but the picture.
 */
#include "plural.h"
#include "status.h"

#include <stdio.h>

#define CONTROL_STALL_MS 30000

static void reason(struct text_buffer *out, const char *pipeline, const char *what, const char *why)
{
    text_print(out, "pipeline %s: %s", pipeline, what);
    if (*why) {
        text_put_string(out, ": ");
        text_put_plain(out, why);
    }
    text_put_string(out, "\n");
}

static void sink_reason(const struct status_pipeline *pipeline, const struct status_sink *sink,
                        struct text_buffer *out)
{
    char what[256];

    if (sink->still_ms > 0) {
        (void)snprintf(what, sizeof what,
                       "sink %s is stuck: its thread has not come back from the plugin for %lld s",
                       sink->name, (long long)(sink->still_ms / 1000));
        reason(out, pipeline->name, what, sink->error.text);
        return;
    }
    switch (sink->state) {
    case WORKER_STARTING:
    case WORKER_DOWN:
    case WORKER_FAILED:
    case WORKER_DROPPED:
        (void)snprintf(what, sizeof what, "sink %s is %s", sink->name,
                       status_sink_word(sink->state));
        reason(out, pipeline->name, what, sink->error.text);
        return;
    case WORKER_PAUSED:
        (void)snprintf(what, sizeof what, "sink %s is paused by command", sink->name);
        reason(out, pipeline->name, what, "");
        return;
    default:
        break;
    }
    if (sink->stall_ms > 0 && sink->oldest_ms > sink->stall_ms) {
        (void)snprintf(what, sizeof what,
                       "sink %s makes no progress: its oldest record waits %lld s for %s",
                       sink->name, (long long)(sink->oldest_ms / 1000), status_waits_for(sink));
        reason(out, pipeline->name, what, sink->error.text);
    }
}

/* The shortest stall_warning of its sinks; 0: it has none. */
static int64_t stall_ms(const struct status_pipeline *pipeline)
{
    int64_t shortest_ms = 0;

    for (size_t i = 0; i < pipeline->sink_count; i++)
        if (shortest_ms == 0 || pipeline->sinks[i].stall_ms < shortest_ms)
            shortest_ms = pipeline->sinks[i].stall_ms;
    return shortest_ms;
}

static const char *lag_text(const struct status_pipeline *pipeline, char *text, size_t size)
{
    (void)snprintf(text, size, "%llu bytes in %llu %s not confirmed",
                   (unsigned long long)pipeline->lag_bytes,
                   (unsigned long long)pipeline->window_batches,
                   plural(pipeline->window_batches, "batch are", "batches are"));
    return text;
}

void status_reasons(const struct status_pipeline *pipeline, struct text_buffer *out)
{
    char what[128], lag[96];

    if (!pipeline->present || pipeline->state == PIPELINE_ENDED)
        return;
    if (pipeline->hold != PIPELINE_GOES && pipeline->state == PIPELINE_RUNNING) {
        (void)snprintf(what, sizeof what, "%s by command", status_pipeline_word(pipeline));
        reason(out, pipeline->name, what, "");
    }
    if (pipeline->state != PIPELINE_RUNNING) {
        reason(out, pipeline->name, status_pipeline_word(pipeline), "");
        return;
    }
    if (pipeline->still_ms > 0) {
        (void)snprintf(what, sizeof what,
                       "the source is stuck: its thread has not come back from the plugin for %lld s",
                       (long long)(pipeline->still_ms / 1000));
        reason(out, pipeline->name, what,
               *pipeline->detail.text ? pipeline->detail.text : pipeline->error.text);
    } else if (!pipeline->up) {
        (void)snprintf(what, sizeof what, "the source is %s", status_source_word(pipeline->source));
        reason(out, pipeline->name, what,
               *pipeline->detail.text ? pipeline->detail.text : pipeline->error.text);
    }
    if (pipeline->cannot_record)
        reason(out, pipeline->name, "positions cannot be recorded", pipeline->record_error.text);
    for (size_t i = 0; i < pipeline->sink_count; i++)
        sink_reason(pipeline, &pipeline->sinks[i], out);
    if (stall_ms(pipeline) > 0 && pipeline->stuck_ms > stall_ms(pipeline)) {
        (void)snprintf(what, sizeof what, "no progress for %lld s",
                       (long long)(pipeline->stuck_ms / 1000));
        reason(out, pipeline->name, what, lag_text(pipeline, lag, sizeof lag));
    }
}

bool status_ready(const struct status *status, struct text_buffer *out)
{
    if (status->stopping) {
        text_put_string(out,
                        *status->failed ? "the daemon is stopping: " : "the daemon is stopping");
        text_put_plain(out, status->failed);
        text_put_string(out, "\n");
    } else if (!status->began) {
        text_put_string(out, "the daemon is starting\n");
    }
    if (status->control_age_ms > CONTROL_STALL_MS)
        text_print(out, "the control thread has not moved for %lld s\n",
                   (long long)(status->control_age_ms / 1000));
    for (size_t i = 0; i < status->pipeline_count; i++)
        status_reasons(&status->pipelines[i], out);
    if (out->length > 0 || out->failed)
        return false;
    text_put_string(out, "ok\n");
    return true;
}
