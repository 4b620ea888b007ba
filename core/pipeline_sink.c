/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_sink.c -- a pipeline's sink: its worker is made, started, asked to stop, joined and
 * destroyed [main], with the pipeline or alone, and its thread [worker] steps until then.
 *
 * The thread is worker_step in a loop: what a step does is in worker.c.  Nothing here puts a worker
 * into the place of another: that is reload_switch.c, under the registry's lock.
 */
#include "pipeline_internal.h"

#include "host_services.h"
#include "isolate.h"
#include "log.h"
#include "plugins.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static struct pipeline *pipeline_of(const struct worker *worker)
{
    return (struct pipeline *)(void *)((char *)worker->journal -
                                       offsetof(struct pipeline, journal));
}

static void log_of_sink(const leat_host *host, int32_t level, const char *message,
                        const leat_field *fields, size_t field_count)
{
    const struct worker *worker = (const struct worker *)(const void *)host;
    struct pipeline *pipeline = pipeline_of(worker);

    pipeline__remember(&pipeline->sink_notes[worker->channel - pipeline->channels], level, message,
                       fields, field_count);
    log_for_host(host, level, message, fields, field_count);
}

/* ---- made and destroyed --------------------------------------------------------------------- */

struct worker *pipeline_make_worker(struct pipeline *pipeline, uint32_t sink,
                                    const struct config_sink *config, const struct config *owner,
                                    int32_t try_ms, struct failure *failure)
{
    leat_error *error = &failure->error;
    struct worker *worker = calloc(1, sizeof *worker);
    struct worker_setup setup = {
        .clock = pipeline->clock,
        .pipeline = pipeline->source.host.pipeline,
        .config = config,
        .ops = plugin_sink_ops(config->plugin),
        .memory = pipeline->share,
        .memory_factor = pipeline->factor,
        .mlock = pipeline->mlock,
        .channel = &pipeline->channels[sink],
        .name_space = &pipeline->source.name_space,
        .newest = &pipeline->source.newest,
        .proof = &pipeline->source.proof,
        .journal = &pipeline->journal,
        .log = log_of_sink,
        .extension = host_services_for_sink,
    };

    if (!worker) {
        failure_no_memory(failure, setup.pipeline, config->name);
        return NULL;
    }
    failure_blame(failure, setup.pipeline, config->name);
    if (worker_init(worker, &setup, error) &&
        pipeline__is_made(worker->ops->create(&worker->host, config->options, &worker->sink, error),
                          error) &&
        (try_ms == 0 || !config->isolate ||
         pipeline__is_made(isolate_try(worker, try_ms, error), error))) {
        worker->owner = owner;
        return worker;
    }
    pipeline_destroy_worker(worker);
    return NULL;
}

void pipeline_destroy_worker(struct worker *worker)
{
    if (!worker)
        return;
    if (worker->sink)
        worker->ops->destroy(worker->sink);
    worker_fini(worker);
    free(worker);
}

/* ---- its thread ----------------------------------------------------------------------------- */

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct pipeline *pipeline = pipeline_of(worker);
    char name[16];

    (void)snprintf(name, sizeof name, "leat-%.10s", worker->config->name);
    (void)prctl(PR_SET_NAME, name);
    while (!atomic_load_explicit(&worker->stopping, memory_order_acquire) &&
           !atomic_load_explicit(&worker->channel->stopping, memory_order_acquire) &&
           worker_step(worker, -1))
        ;
    if (worker->state == WORKER_FAILED) {
        pipeline__end_with(pipeline, worker->config->name, &worker->error, worker->regressed);
        atomic_store_explicit(&pipeline->hurry, true, memory_order_release);
        doorbell_force(&pipeline->source.bell);
    }
    if (atomic_load_explicit(&worker->channel->stopping, memory_order_acquire))
        worker_stop(worker, pipeline->drained
                                ? pipeline__ms_left(pipeline)
                                : atomic_load_explicit(&pipeline->finish_ms, memory_order_relaxed));
    else
        worker_stop(worker, atomic_load_explicit(&worker->stop_ms, memory_order_relaxed));
    atomic_store_explicit(&worker->ended, true, memory_order_release);
    doorbell_force(pipeline->control_bell);
    return NULL;
}

bool pipeline_start_worker(struct pipeline *pipeline, uint32_t sink)
{
    pipeline->worker_running[sink] = pipeline__start_thread(&pipeline->worker_threads[sink],
                                                            worker_main, pipeline->workers[sink]);
    return pipeline->worker_running[sink];
}

void pipeline_stop_worker(struct pipeline *pipeline, uint32_t sink, uint32_t finish_ms)
{
    struct worker *worker = pipeline->workers[sink];

    atomic_store_explicit(&worker->stop_ms, finish_ms, memory_order_relaxed);
    atomic_store_explicit(&worker->stopping, true, memory_order_release);
    doorbell_force(&pipeline->channels[sink].worker_bell);
}

bool pipeline_worker_stopped(const struct pipeline *pipeline, uint32_t sink)
{
    return atomic_load_explicit(&pipeline->workers[sink]->ended, memory_order_acquire);
}

void pipeline_join_worker(struct pipeline *pipeline, uint32_t sink)
{
    if (pipeline->worker_running[sink])
        (void)pthread_join(pipeline->worker_threads[sink], NULL);
    pipeline->worker_running[sink] = false;
}
