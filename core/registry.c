/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.c -- see registry.h.
 */
#include "registry.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define RATE_NS ((int64_t)900000000) /* a turn comes at least once a second */

static int64_t wall_us(void)
{
    struct timespec wall;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000;
}

bool registry_init(struct registry *registry, const struct config *config,
                   const struct clock *clock, struct doorbell *control_bell)
{
    memset(registry, 0, sizeof *registry);
    registry->config = config;
    registry->clock = clock;
    registry->control_bell = control_bell;
    registry->started_us = wall_us();
    atomic_store(&registry->alive_ns, clock_now_ns(clock));
    return pthread_mutex_init(&registry->lock, NULL) == 0;
}

void registry_fini(struct registry *registry)
{
    (void)pthread_mutex_destroy(&registry->lock);
}

void registry_set(struct registry *registry, size_t index, struct pipeline *pipeline)
{
    (void)pthread_mutex_lock(&registry->lock);
    registry->pipelines[index] = pipeline;
    registry->rates[index] = (struct registry_rate){0};
    (void)pthread_mutex_unlock(&registry->lock);
}

void registry_reconfigure(struct registry *registry, const struct config *config,
                          struct pipeline *const *pipelines)
{
    struct registry_rate rates[CONFIG_PIPELINES_MAX] = {{0}};

    (void)pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < config->pipeline_count; i++)
        for (size_t k = 0; k < registry->config->pipeline_count; k++)
            if (pipelines[i] && registry->pipelines[k] == pipelines[i])
                rates[i] = registry->rates[k];
    memset(registry->pipelines, 0, sizeof registry->pipelines);
    memcpy(registry->pipelines, pipelines, config->pipeline_count * sizeof *pipelines);
    memcpy(registry->rates, rates, sizeof rates);
    registry->config = config;
    (void)pthread_mutex_unlock(&registry->lock);
}

void registry_lock(struct registry *registry)
{
    (void)pthread_mutex_lock(&registry->lock);
}

void registry_unlock(struct registry *registry)
{
    (void)pthread_mutex_unlock(&registry->lock);
}

void registry_reloaded(struct registry *registry, bool good, const char *text)
{
    struct registry_reload *reload = &registry->reload;

    (void)pthread_mutex_lock(&registry->lock);
    reload->good += good;
    reload->bad += !good;
    reload->last_was_good = good;
    reload->at_us = wall_us();
    (void)snprintf(reload->text, sizeof reload->text, "%s", text);
    (void)pthread_mutex_unlock(&registry->lock);
}

void registry_failed(struct registry *registry, const char *line)
{
    (void)pthread_mutex_lock(&registry->lock);
    (void)snprintf(registry->failed, sizeof registry->failed, "%s", line);
    (void)pthread_mutex_unlock(&registry->lock);
}

void registry_begun(struct registry *registry)
{
    (void)pthread_mutex_lock(&registry->lock);
    registry->began = true;
    (void)pthread_mutex_unlock(&registry->lock);
}

static uint64_t load(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* What the source says of its origin is as old as its last look: it is kept as a position, which
 * what is confirmed since then passes. */
static void look_at_origin(struct registry_rate *rate, struct pipeline *pipeline)
{
    double looks = plugin_metrics_current(&pipeline->source.metrics, "guard_looks_total");
    double lag_bytes = plugin_metrics_current(&pipeline->source.metrics, "slot_lag_bytes");

    if (!(looks > rate->looks) || !(lag_bytes >= 0 && lag_bytes < 1e18))
        return;
    rate->looks = looks;
    rate->origin_end = load(&pipeline->journal.recorded) + (uint64_t)lag_bytes;
}

/* Does anything move while something waits? */
static void watch(struct registry_rate *rate, struct pipeline *pipeline, int64_t now_ns)
{
    struct source_counters *counters = &pipeline->source.counters;
    uint64_t progress = load(&counters->changes) + load(&counters->received) +
                        load(&counters->durable) + load(&pipeline->journal.recorded);

    for (size_t i = 0; i < pipeline->sink_count; i++)
        progress += load(&pipeline->workers[i]->counters.accepted);
    if (progress != rate->progress || load(&counters->in_flight) == 0 || rate->moved_ns == 0)
        rate->moved_ns = now_ns;
    rate->progress = progress;
}

static void sample(struct registry_rate *rate, struct pipeline *pipeline, int64_t now_ns)
{
    uint64_t changes =
        atomic_load_explicit(&pipeline->source.counters.changes, memory_order_relaxed);
    int64_t since_ns = now_ns - rate->at_ns;

    if (since_ns < RATE_NS)
        return;
    if (rate->at_ns > 0)
        rate->changes_per_second = (double)(changes - rate->changes) * 1e9 / (double)since_ns;
    rate->changes = changes;
    rate->at_ns = now_ns;
}

void registry_tick(struct registry *registry)
{
    int64_t now_ns = clock_now_ns(registry->clock);

    atomic_store_explicit(&registry->alive_ns, now_ns, memory_order_relaxed);
    (void)pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->config->pipeline_count; i++)
        if (registry->pipelines[i]) {
            watch(&registry->rates[i], registry->pipelines[i], now_ns);
            look_at_origin(&registry->rates[i], registry->pipelines[i]);
            sample(&registry->rates[i], registry->pipelines[i], now_ns);
        }
    (void)pthread_mutex_unlock(&registry->lock);
}

bool registry_give(struct registry *registry, struct order *order)
{
    struct order **last = &registry->orders;
    bool closed;

    order->next = NULL;
    (void)pthread_mutex_lock(&registry->lock);
    closed = registry->closed;
    while (*last)
        last = &(*last)->next;
    if (!closed)
        *last = order;
    (void)pthread_mutex_unlock(&registry->lock);
    if (!closed)
        doorbell_force(registry->control_bell);
    return !closed;
}

struct order *registry_take(struct registry *registry, bool close)
{
    struct order *order;

    (void)pthread_mutex_lock(&registry->lock);
    registry->closed = registry->closed || close;
    order = registry->orders;
    if (order)
        registry->orders = order->next;
    (void)pthread_mutex_unlock(&registry->lock);
    return order;
}
