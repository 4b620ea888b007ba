/* SPDX-License-Identifier: Apache-2.0
 *
 * host_services.c -- see host_services.h.
 */
#include "host_services.h"

#include "command.h"
#include "options.h"
#include "source_loop.h"
#include "stage.h"
#include "worker.h"

#include <string.h>

static const struct option_templates *source_templates(const leat_host *host)
{
    const struct source_loop *loop = (const struct source_loop *)(const void *)host;

    return loop->config ? loop->config->source_templates : NULL;
}

static const struct option_templates *sink_templates(const leat_host *host)
{
    return ((const struct worker *)(const void *)host)->config->templates;
}

static leat_status source_secret(const leat_host *host, const char *option, char *out, size_t size)
{
    return options_expand(source_templates(host), option, out, size);
}

static leat_status sink_secret(const leat_host *host, const char *option, char *out, size_t size)
{
    return options_expand(sink_templates(host), option, out, size);
}

static const leat_secrets source_secrets = {.size = sizeof source_secrets,
                                            .current = source_secret};
static const leat_secrets sink_secrets = {.size = sizeof sink_secrets, .current = sink_secret};

static void source_state(const leat_host *host, int32_t state, const char *detail)
{
    struct source_loop *loop = (struct source_loop *)(void *)(uintptr_t)host;

    if (state < LEAT_STATE_STARTING || state > LEAT_STATE_FAILED)
        return;
    note_write(&loop->state_detail, detail, NULL);
    atomic_store_explicit(&loop->counters.state, state, memory_order_relaxed);
}

static void source_received(const leat_host *host, uint64_t bytes, uint64_t position)
{
    struct source_loop *loop = (struct source_loop *)(void *)(uintptr_t)host;
    struct source_counters *counters = &loop->counters;

    atomic_store_explicit(&counters->bytes,
                          atomic_load_explicit(&counters->bytes, memory_order_relaxed) + bytes,
                          memory_order_relaxed);
    if (position > atomic_load_explicit(&counters->received, memory_order_relaxed))
        atomic_store_explicit(&counters->received, position, memory_order_relaxed);
}

static const leat_reporting reporting = {
    .size = sizeof reporting, .state = source_state, .received = source_received};

static int32_t source_declare(const leat_host *host, uint32_t kind, const char *name,
                              const char *label, const char *label_value, const char *help)
{
    struct source_loop *loop = (struct source_loop *)(void *)(uintptr_t)host;

    return plugin_metrics_declare(&loop->metrics, kind, name, label, label_value, help);
}

static void source_set(const leat_host *host, int32_t metric, double value)
{
    plugin_metrics_set(&((struct source_loop *)(void *)(uintptr_t)host)->metrics, metric, value);
}

static int32_t sink_declare(const leat_host *host, uint32_t kind, const char *name,
                            const char *label, const char *label_value, const char *help)
{
    struct worker *worker = (struct worker *)(void *)(uintptr_t)host;

    return plugin_metrics_declare(&worker->metrics, kind, name, label, label_value, help);
}

static void sink_set(const leat_host *host, int32_t metric, double value)
{
    plugin_metrics_set(&((struct worker *)(void *)(uintptr_t)host)->metrics, metric, value);
}

static const leat_metrics source_metrics = {
    .size = sizeof source_metrics, .declare = source_declare, .set = source_set};
static const leat_metrics sink_metrics = {
    .size = sizeof sink_metrics, .declare = sink_declare, .set = sink_set};

static void source_demand(const leat_host *host, uint64_t position, const char *why)
{
    struct source_loop *loop = (struct source_loop *)(void *)(uintptr_t)host;

    if (!loop->begun)
        proof_demand(&loop->proof, position, why);
}

static const leat_proof source_proof = {.size = sizeof source_proof, .demand = source_demand};

#ifdef LEAT_DEBUG
static const leat_stages stages = {.size = sizeof stages, .pass = stage_pass};
#endif

static const void *common(const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_COMMAND) == 0)
        return &commands_for_plugins;
#ifdef LEAT_DEBUG
    if (strcmp(id, LEAT_EXTENSION_STAGES) == 0)
        return &stages;
#endif
    (void)id;
    return NULL;
}

const void *host_services_for_source(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return source_templates(host) ? &source_secrets : NULL;
    if (strcmp(id, LEAT_EXTENSION_STATUS) == 0)
        return &reporting;
    if (strcmp(id, LEAT_EXTENSION_METRICS) == 0)
        return &source_metrics;
    if (strcmp(id, LEAT_EXTENSION_PROOF) == 0)
        return &source_proof;
    return common(id);
}

const void *host_services_for_sink(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return sink_templates(host) ? &sink_secrets : NULL;
    if (strcmp(id, LEAT_EXTENSION_METRICS) == 0)
        return &sink_metrics;
    return common(id);
}
