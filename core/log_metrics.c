/* SPDX-License-Identifier: Apache-2.0
 *
 * log_metrics.c -- see log_metrics.h.
 */
#include "log_metrics.h"

#include "log.h"
#include "status.h"

#include <stdlib.h>

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

static void put_sink(const struct status_pipeline *pipeline, const struct status_sink *sink)
{
    leat_field fields[] = {
        LEAT_F_STR("state", status_sink_word(sink->state)),
        LEAT_F_UINT("records", sink->records),
        LEAT_F_UINT("bytes", sink->bytes),
        LEAT_F_UINT("retries", sink->retries),
        LEAT_F_UINT("rejects", sink->rejects),
        LEAT_F_UINT("starts", sink->starts),
        LEAT_F_UINT("waiting_batches", sink->waiting_batches),
        LEAT_F_UINT("lent_parts", sink->lent_parts),
        LEAT_F_UINT("pool_used_bytes", sink->pool_used_bytes),
        LEAT_F_INT("oldest_ms", sink->oldest_ms),
        LEAT_F_LSN("position", sink->position),
    };

    log_event(pipeline->name, sink->name, LEAT_LOG_INFO, "figures", fields, COUNT(fields));
}

static void put_pipeline(const struct status_pipeline *pipeline)
{
    leat_field fields[] = {
        LEAT_F_STR("state", status_pipeline_word(pipeline)),
        LEAT_F_STR("source_state", status_source_word(pipeline->source)),
        LEAT_F_UINT("changes", pipeline->changes),
        LEAT_F_UINT("bytes", pipeline->bytes),
        LEAT_F_UINT("changes_per_second", (uint64_t)pipeline->changes_per_second),
        LEAT_F_UINT("lag_bytes", pipeline->unconfirmed_bytes),
        LEAT_F_INT("lag_ms", pipeline->oldest_commit_ms),
        LEAT_F_UINT("window_batches", pipeline->window_batches),
        LEAT_F_UINT("pool_used_bytes", pipeline->pool_used_bytes),
        LEAT_F_UINT("starved", pipeline->starved),
        LEAT_F_UINT("connections", pipeline->begins),
        LEAT_F_LSN("received", pipeline->received),
        LEAT_F_LSN("confirmed", pipeline->recorded),
    };

    if (!pipeline->present)
        return;
    log_event(pipeline->name, "source", LEAT_LOG_INFO, "figures", fields, COUNT(fields));
    for (size_t i = 0; i < pipeline->sink_count; i++)
        put_sink(pipeline, &pipeline->sinks[i]);
}

static void put_process(const struct status *status)
{
    leat_field fields[] = {
        LEAT_F_UINT("resident_bytes", status->resident_bytes),
        LEAT_F_UINT("cpu_ms", (uint64_t)(status->cpu_seconds * 1000)),
        LEAT_F_UINT("open_files", status->open_files),
    };

    log_event(NULL, NULL, LEAT_LOG_INFO, "figures", fields, COUNT(fields));
}

void log_metrics_tick(struct log_metrics *metrics, struct registry *registry)
{
    int64_t every_ns = registry->config->log_metrics_ms * 1000000;
    int64_t now_ns;
    struct status *status;

    if (every_ns == 0)
        return;
    now_ns = clock_now_ns(registry->clock);
    if (metrics->next_ns == 0)
        metrics->next_ns = now_ns + every_ns;
    if (now_ns < metrics->next_ns)
        return;
    metrics->next_ns = now_ns + every_ns;
    status = status_take(registry);
    if (!status)
        return;
    put_process(status);
    for (size_t i = 0; i < status->pipeline_count; i++)
        put_pipeline(&status->pipelines[i]);
    free(status);
}
