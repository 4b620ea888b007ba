/* SPDX-License-Identifier: Apache-2.0
 *
 * worker_setup.c -- makes a worker with its memory, encoder and routes, and the host that its plugin
 * sees; and takes it apart.  [main], but for the host's functions, which are [any].
 *
 * Nothing here runs in a step, and the plugin's own create and destroy are pipeline_sink.c's.
 */
#include "worker.h"

#include "isolate.h"
#include "worker_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the host that the plugin sees ---------------------------------------------------------- */

static void host_log(const leat_host *host, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    worker__of(host)->log(host, level, message, fields, field_count);
}

static int64_t host_now_ns(const leat_host *host)
{
    return clock_now_ns(worker__of(host)->clock);
}

static void host_wake(const leat_host *host)
{
    struct worker *worker = worker__of(host);

    atomic_store_explicit(&worker->wake_asked, true, memory_order_release);
    doorbell_ring(&worker->channel->worker_bell);
}

/* ---- the worker ----------------------------------------------------------------------------- */

static bool make_parts(struct worker *worker, const struct worker_setup *setup, leat_error *error)
{
    const struct config_sink *config = setup->config;
    struct encode_options encoding = {config->format, config->numeric, config->int8, config->bytea,
                                      config->timestamp};

    worker->slots = calloc(WORKER_SLOTS, sizeof *worker->slots);
    worker->encoder = encoder_create(&encoding);
    if (!worker->slots || !worker->encoder ||
        !(config->isolate ? pool_init_shared : pool_init)(&worker->pool, setup->memory,
                                                          (size_t)64 * 1024, setup->mlock)) {
        (void)snprintf(error->text, sizeof error->text, "cannot set aside %zu bytes: %s",
                       setup->memory, strerror(errno));
        return false;
    }
    if (worker->ops->route &&
        (config->route || config->route_count > 0 || worker->ops->route->fallback)) {
        worker->router = router_create(config, worker->ops->route, error->text, sizeof error->text);
        if (!worker->router)
            return false;
    }
    if (config->on_reject == CONFIG_REJECT_DEAD_LETTER) {
        worker->dead_letter =
            dead_letter_open(config->dead_letter, setup->pipeline, config->name, error);
        if (!worker->dead_letter)
            return false;
    }
    return true;
}

bool worker_init(struct worker *worker, const struct worker_setup *setup, leat_error *error)
{
    memset(worker, 0, sizeof *worker);
    worker->clock = setup->clock;
    worker->config = setup->config;
    worker->ops = setup->ops;
    if (setup->config->isolate) {
        isolate_ops(setup->ops, &worker->isolated);
        worker->ops = &worker->isolated;
    }
    worker->memory_factor = setup->memory_factor;
    worker->channel = setup->channel;
    worker->name_space = setup->name_space;
    worker->newest = setup->newest;
    worker->proof = setup->proof;
    worker->log = setup->log;
    worker->random = (uint64_t)clock_now_ns(setup->clock) | 1;
    worker->journal = setup->journal;
    worker->host = (leat_host){
        .size = sizeof worker->host,
        .abi_major = LEAT_ABI_MAJOR,
        .abi_minor = LEAT_ABI_MINOR,
        .pipeline = setup->pipeline,
        .instance = setup->config->name,
        .wake_fd = setup->channel->worker_bell.fd,
        .log = host_log,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .extension = setup->extension,
        .batch_done = worker__batch_done,
    };
    return make_parts(worker, setup, error);
}

void worker_fini(struct worker *worker)
{
    encoder_destroy(worker->encoder);
    router_destroy(worker->router);
    dead_letter_close(worker->dead_letter);
    free(worker->slots);
    free(worker->backlog);
    free(worker->runs);
    pool_fini(&worker->pool);
}
