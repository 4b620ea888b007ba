/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_source.c -- a pipeline's source: it is made [main], and its thread reads, drains, and stops
 * the plugin and then the workers [source].
 *
 * The thread is source_loop_step in a loop: what a step does is in source_loop.c.  It never looks at
 * a worker, only at the channels, because workers are replaced while it runs.
 */
#include "pipeline_internal.h"

#include "guard.h"
#include "log.h"
#include "plugins.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

struct pipeline *pipeline_of_source(const leat_host *host)
{
    return (struct pipeline *)(void *)((char *)(uintptr_t)host - offsetof(struct pipeline, source));
}

static void log_of_source(const leat_host *host, int32_t level, const char *message,
                          const leat_field *fields, size_t field_count)
{
    struct pipeline *pipeline = pipeline_of_source(host);

    pipeline__remember(&pipeline->source_note, level, message, fields, field_count);
    log_for_host(host, level, message, fields, field_count);
}

/* ---- made ----------------------------------------------------------------------------------- */

/* errno says what there was none of. */
static void say_no_room(size_t share, bool mlock, leat_error *error)
{
    bool files = errno == EMFILE || errno == ENFILE;

    error->exit_code = errno == EPERM || errno == EAGAIN ? 77 : 73;
    (void)snprintf(error->text, sizeof error->text, "cannot set aside %zu bytes: %s%s", share,
                   strerror(errno),
                   files   ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)"
                   : mlock ? "; mlock: true needs a high enough memlock limit"
                           : "");
}

bool pipeline__create_source(struct pipeline *pipeline, const struct pipeline_setup *setup,
                             size_t share, size_t factor, struct failure *failure)
{
    const struct config_pipeline *config = setup->config;
    struct source_loop_setup source = {
        .clock = setup->clock,
        .pipeline = config->name,
        .ops = plugin_source_ops(config->source),
        .memory = share,
        .memory_factor = factor,
        .batch_size = (size_t)config->batch_size,
        .max_delay_us = (uint32_t)(config->batch_max_delay_ms * 1000),
        .tally_tables = setup->tally_tables,
        .mlock = setup->mlock,
        .channels = pipeline->channels,
        .channel_count = (uint32_t)config->sink_count,
        .journal = &pipeline->journal,
        .log = log_of_source,
        .extension = guard_services_for_source,
    };

    pipeline->source.bell.fd = -1;
    failure_blame(failure, config->name, "source");
    if (!source_loop_init(&pipeline->source, &source)) {
        say_no_room(share, setup->mlock, &failure->error);
        return false;
    }
    pipeline->source.config = config;
    return pipeline__is_made(source.ops->create(&pipeline->source.host, config->source_options,
                                                &pipeline->source.source, &failure->error),
                             &failure->error);
}

/* ---- its thread ----------------------------------------------------------------------------- */

static bool must_stop(struct pipeline *pipeline)
{
    return pipeline_state(pipeline) != PIPELINE_RUNNING ||
           atomic_load_explicit(&pipeline->hurry, memory_order_acquire);
}

static uint32_t ms_left(struct pipeline *pipeline, uint32_t at_most)
{
    uint32_t left_ms = pipeline__ms_left(pipeline);

    return left_ms < at_most ? left_ms : at_most;
}

static leat_status source_begin(struct pipeline *pipeline, leat_error *error)
{
    leat_pair facts[JOURNAL_FACTS_MAX];
    leat_source_start start = {.size = sizeof start, .facts = facts, .watch = pipeline->watch};

    if (pipeline->was_known) {
        start.position = pipeline->known.position.value;
        start.fact_count = pipeline->known.fact_count;
        for (uint32_t i = 0; i < pipeline->known.fact_count; i++)
            facts[i] = (leat_pair){pipeline->known.facts[i].name, pipeline->known.facts[i].value};
    }
    return pipeline->source.ops->start(pipeline->source.source, &start, error);
}

/* Reads until it is told to stop, the source ends, or something fails. */
static leat_status source_run(struct pipeline *pipeline, leat_error *error)
{
    leat_status status = source_begin(pipeline, error);

    while ((status == LEAT_OK || status == LEAT_AGAIN) && !must_stop(pipeline))
        status = source_loop_step(&pipeline->source, -1, error);
    return status;
}

/* What is in flight may still become durable and be confirmed. */
static void source_drain(struct pipeline *pipeline)
{
    leat_error error = {.size = sizeof error};
    leat_status status = LEAT_OK;

    atomic_store_explicit(&pipeline->source.draining, true, memory_order_relaxed);
    stage_pass("draining");
    if (!pipeline->source.begun)
        return;
    journal_urge(&pipeline->journal);
    while (!atomic_load_explicit(&pipeline->hurry, memory_order_acquire) &&
           pipeline__ms_left(pipeline) > 0 && (status == LEAT_OK || status == LEAT_AGAIN)) {
        status = source_loop_step(&pipeline->source, 0, &error);
        if (source_loop_is_drained(&pipeline->source)) {
            pipeline->drained = true;
            return;
        }
        /* Nobody waits for a sink that was told to stand still. */
        if (pipeline_state(pipeline) == PIPELINE_STOPPING &&
            source_loop_is_stuck(&pipeline->source))
            return;
        if (status == LEAT_OK || status == LEAT_AGAIN)
            status = source_loop_step(&pipeline->source, (int32_t)ms_left(pipeline, 1000), &error);
    }
}

void pipeline__let_workers_stop(struct pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        atomic_store_explicit(&pipeline->channels[i].stopping, true, memory_order_release);
        doorbell_force(&pipeline->channels[i].worker_bell);
    }
}

static void *source_main(void *argument)
{
    struct pipeline *pipeline = argument;
    leat_error error = {.size = sizeof error};
    leat_status status;
    bool ended;

    (void)prctl(PR_SET_NAME, "leat-source");
    status = source_run(pipeline, &error);
    ended = status == LEAT_EOF;
    if (status != LEAT_OK && status != LEAT_AGAIN && !ended) {
        error.status = status;
        pipeline__end_with(pipeline, "source", &error, status == LEAT_ERETRY);
        atomic_store_explicit(&pipeline->hurry, true, memory_order_release);
    }
    if (ended)
        atomic_store_explicit(&pipeline->stop_deadline_ns, INT64_MAX / 2, memory_order_relaxed);
    source_drain(pipeline);
    (void)pipeline->source.ops->stop(
        pipeline->source.source,
        pipeline->drained && pipeline__ms_left(pipeline) > 0 ? ms_left(pipeline, 5000) : 500);
    pipeline__let_workers_stop(pipeline);
    atomic_store_explicit(&pipeline->state, PIPELINE_ENDED, memory_order_release);
    doorbell_force(pipeline->control_bell);
    return NULL;
}

bool pipeline__start_source(struct pipeline *pipeline)
{
    pipeline->source_thread_started =
        pipeline__start_thread(&pipeline->source_thread, source_main, pipeline);
    return pipeline->source_thread_started;
}
