/* SPDX-License-Identifier: Apache-2.0
 *
 * status.c -- takes the picture: every counter of the daemon at one moment.  [any], but never a
 * source or worker thread.  See status.h.
 *
 * It only reads, and holds the registry's lock for no longer than a copy takes.
 */
#include "status.h"

#include "plugins.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t load(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int64_t wall_us(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

/* ---- a pipeline ----------------------------------------------------------------------------- */

static void take_sink(struct pipeline *pipeline, size_t index, int64_t now_ns,
                      struct status_sink *out)
{
    struct worker *worker = pipeline->workers[index];
    struct worker_counters *counters = &worker->counters;
    int64_t oldest_ns = atomic_load_explicit(&counters->oldest_ns, memory_order_relaxed);
    int64_t retry_ns = atomic_load_explicit(&counters->retry_at_ns, memory_order_relaxed);

    (void)snprintf(out->name, sizeof out->name, "%s", worker->config->name);
    out->plugin = plugin_name(worker->config->plugin);
    out->stall_ms = worker->config->stall_warning_ms;
    out->state = atomic_load_explicit(&counters->state, memory_order_relaxed);
    out->missed = load(&counters->missed);
    out->up = out->state == WORKER_RUNNING;
    out->records = load(&counters->records);
    out->bytes = load(&counters->bytes);
    out->parts = load(&counters->batches);
    out->retries = load(&counters->retries);
    out->rejects = load(&counters->rejects);
    out->dead_letters = load(&counters->dead_letters);
    out->starts = load(&counters->starts);
    out->skipped = load(&counters->skipped);
    out->waiting_batches = ring_count(&pipeline->channels[index].forward);
    out->encoded_parts = load(&counters->queued);
    out->lent_parts = load(&counters->lent);
    out->pool_bytes = pool_bytes(&worker->pool);
    out->pool_used_bytes = load(&counters->pool_used);
    out->position = load(&counters->accepted);
    out->hold_ms = atomic_load_explicit(&counters->hold_ms, memory_order_relaxed);
    out->still_ms = atomic_load_explicit(&counters->still_ms, memory_order_relaxed);
    if (oldest_ns > 0 && now_ns > oldest_ns)
        out->oldest_ms = (now_ns - oldest_ns) / 1000000;
    if ((out->state == WORKER_RETRYING || out->state == WORKER_DOWN) && retry_ns > now_ns)
        out->retry_in_ms = (retry_ns - now_ns) / 1000000;
    note_read(&pipeline->sink_notes[index], &out->error);
    histogram_read(&worker->queued, &out->queued);
    histogram_read(&worker->delivered, &out->delivered);
    histogram_read(&worker->commit_to_queued, &out->commit_to_queued);
    histogram_read(&worker->commit_to_encoded, &out->commit_to_encoded);
    histogram_read(&worker->commit_to_submitted, &out->commit_to_submitted);
    histogram_read(&worker->commit_to_durable, &out->commit_to_durable);
    out->metric_count = plugin_metrics_read(&worker->metrics, out->metrics);
}

static void take_source(struct pipeline *pipeline, int64_t now_us, struct status_pipeline *out)
{
    struct source_counters *counters = &pipeline->source.counters;
    const char *name_space =
        atomic_load_explicit(&pipeline->source.name_space, memory_order_acquire);
    int64_t oldest_us = atomic_load_explicit(&counters->oldest_commit_us, memory_order_relaxed);

    out->source = atomic_load_explicit(&counters->state, memory_order_relaxed);
    out->up = out->source == LEAT_STATE_STREAMING;
    out->still_ms = atomic_load_explicit(&counters->still_ms, memory_order_relaxed);
    (void)snprintf(out->name_space, sizeof out->name_space, "%s", name_space ? name_space : "");
    note_read(&pipeline->source.state_detail, &out->detail);
    note_read(&pipeline->source_note, &out->error);
    note_read(&pipeline->record_note, &out->record_error);
    out->cannot_record = atomic_load_explicit(&pipeline->cannot_record, memory_order_relaxed);
    out->changes = load(&counters->changes);
    out->batches = load(&counters->batches);
    out->bytes = load(&counters->bytes);
    out->starved = load(&counters->starved);
    out->begins = load(&counters->begins);
    out->recorded = atomic_load_explicit(&pipeline->journal.recorded, memory_order_relaxed);
    out->durable = load(&counters->durable);
    out->received = load(&counters->received);
    out->unconfirmed_bytes = out->received > out->recorded ? out->received - out->recorded : 0;
    out->window_batches = load(&counters->in_flight);
    out->pool_bytes = pool_bytes(&pipeline->source.pool);
    out->pool_used_bytes = load(&counters->pool_used);
    if (oldest_us > 0 && now_us > oldest_us)
        out->oldest_commit_ms = (now_us - oldest_us) / 1000;
    histogram_read(&pipeline->source.commit_to_received, &out->commit_to_received);
    histogram_read(&pipeline->source.commit_to_published, &out->commit_to_published);
    histogram_read(&pipeline->source.commit_to_confirmed, &out->commit_to_confirmed);
    for (uint32_t i = 0; i < TALLY_OPERATIONS; i++)
        out->operations[i] = load(&pipeline->source.tally.operations[i]);
    out->metric_count = plugin_metrics_read(&pipeline->source.metrics, out->metrics);
}

/* What the source knows of its origin counts for more than what has come from there. */
static void take_lag(const struct registry_rate *rate, struct status_pipeline *out)
{
    double seconds = plugin_metrics_value(out->metrics, out->metric_count, "slot_lag_seconds");

    out->lag_bytes = out->unconfirmed_bytes;
    out->lag_ms = out->oldest_commit_ms;
    if (rate->origin_end <= out->recorded)
        return;
    if (rate->origin_end - out->recorded > out->lag_bytes)
        out->lag_bytes = rate->origin_end - out->recorded;
    if (seconds * 1000 > (double)out->lag_ms && seconds < 1e12)
        out->lag_ms = (int64_t)(seconds * 1000);
}

/* tables: room for all that the option allows, and one more. */
static void take_pipeline(struct registry *registry, size_t index, int64_t now_us,
                          struct tally_copy *tables, struct status_pipeline *out)
{
    const struct config_pipeline *config = &registry->config->pipelines[index];
    struct pipeline *pipeline = registry->pipelines[index];
    int64_t now_ns = clock_now_ns(registry->clock);

    (void)snprintf(out->name, sizeof out->name, "%s", config->name);
    out->plugin = plugin_name(config->source);
    out->sink_count = config->sink_count;
    out->begun = registry->began;
    for (size_t i = 0; i < config->sink_count; i++) {
        (void)snprintf(out->sinks[i].name, sizeof out->sinks[i].name, "%s", config->sinks[i].name);
        out->sinks[i].plugin = plugin_name(config->sinks[i].plugin);
        out->sinks[i].stall_ms = config->sinks[i].stall_warning_ms;
    }
    if (!pipeline)
        return;
    out->present = true;
    out->state = (int)pipeline_state(pipeline);
    out->hold = atomic_load_explicit(&pipeline->hold, memory_order_relaxed);
    out->settled = atomic_load_explicit(&pipeline->source.settled, memory_order_acquire);
    out->sink_count = pipeline->sink_count;
    out->changes_per_second = registry->rates[index].changes_per_second;
    if (registry->rates[index].moved_ns > 0)
        out->stuck_ms = (now_ns - registry->rates[index].moved_ns) / 1000000;
    take_source(pipeline, now_us, out);
    take_lag(&registry->rates[index], out);
    out->table_count =
        tally_read(&pipeline->source.tally, tables, (uint32_t)registry->config->metrics_tables);
    out->tables = tables;
    for (size_t i = 0; i < pipeline->sink_count; i++)
        take_sink(pipeline, i, now_ns, &out->sinks[i]);
}

/* ---- the process ---------------------------------------------------------------------------- */

static uint64_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t count = 0;

    if (!folder)
        return 1;
    while (readdir(folder))
        count++;
    (void)closedir(folder);
    return count > 2 ? count - 2 : 1; /* "." and ".." */
}

static void take_process(struct status *status)
{
    struct rusage usage;
    struct rlimit limit;
    unsigned long long all = 0, pages = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *statm = fopen("/proc/self/statm", "re");

    if (getrusage(RUSAGE_SELF, &usage) == 0)
        status->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (statm && fscanf(statm, "%llu %llu", &all, &pages) == 2) {
        status->resident_bytes = pages * page;
        status->virtual_bytes = all * page;
    }
    if (statm)
        (void)fclose(statm);
    status->open_files = count_entries("/proc/self/fd") - 1; /* the folder itself */
    status->threads = count_entries("/proc/self/task");
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        status->max_files = (uint64_t)limit.rlim_cur;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Under the registry's lock. */
static struct status *take(struct registry *registry)
{
    size_t count = registry->config->pipeline_count;
    size_t tables = (size_t)registry->config->metrics_tables + 1;
    size_t head = sizeof(struct status) + count * sizeof(struct status_pipeline);
    struct status *status = calloc(1, head + count * tables * sizeof(struct tally_copy));
    struct tally_copy *copies;
    int64_t now_ns = clock_now_ns(registry->clock);

    if (!status)
        return NULL;
    copies = (struct tally_copy *)(void *)((char *)status + head);
    status->now_us = wall_us();
    status->started_us = registry->started_us;
    status->uptime_ms = (status->now_us - registry->started_us) / 1000;
    status->stopping = atomic_load_explicit(&registry->stopping, memory_order_relaxed);
    status->control_age_ms =
        (now_ns - atomic_load_explicit(&registry->alive_ns, memory_order_relaxed)) / 1000000;
    status->memory_bytes = (uint64_t)registry->config->memory;
    status->log_level = (int)log_level();
    status->log_component_count = log_components(status->log_components);
    status->pipeline_count = count;
    status->began = registry->began;
    (void)snprintf(status->failed, sizeof status->failed, "%s", registry->failed);
    status->reload = registry->reload;
    for (size_t i = 0; i < count; i++)
        take_pipeline(registry, i, status->now_us, copies + i * tables, &status->pipelines[i]);
    status->taking_ns = now_ns;
    return status;
}

struct status *status_take(struct registry *registry)
{
    struct status *status;

    (void)pthread_mutex_lock(&registry->lock);
    status = take(registry);
    (void)pthread_mutex_unlock(&registry->lock);
    if (!status)
        return NULL;
    take_process(status);
    status->taking_ns = clock_now_ns(registry->clock) - status->taking_ns;
    return status;
}
