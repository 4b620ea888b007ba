/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.c -- see pipeline.h.
 */
#include "pipeline.h"

#include "guard.h"
#include "host_services.h"
#include "log.h"
#include "plugins.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define THREAD_STACK_BYTES ((size_t)1024 * 1024)

/* ---- what goes wrong is remembered ------------------------------------------------------------ */

static void remember(struct note *note, int32_t level, const char *message,
                     const leat_field *fields, size_t field_count)
{
    const char *why = NULL;

    if (level > LEAT_LOG_WARN)
        return;
    for (size_t i = 0; i < field_count && !why; i++)
        if (fields[i].kind == LEAT_FIELD_STRING && strcmp(fields[i].name, "error") == 0)
            why = fields[i].string;
    note_write(note, message, why);
}

static struct pipeline *pipeline_of(const struct worker *worker)
{
    return (struct pipeline *)(void *)((char *)worker->journal -
                                       offsetof(struct pipeline, journal));
}

struct pipeline *pipeline_of_source(const leat_host *host)
{
    return (struct pipeline *)(void *)((char *)(uintptr_t)host - offsetof(struct pipeline, source));
}

static void log_of_source(const leat_host *host, int32_t level, const char *message,
                          const leat_field *fields, size_t field_count)
{
    struct pipeline *pipeline = pipeline_of_source(host);

    remember(&pipeline->source_note, level, message, fields, field_count);
    log_for_host(host, level, message, fields, field_count);
}

static void log_of_sink(const leat_host *host, int32_t level, const char *message,
                        const leat_field *fields, size_t field_count)
{
    const struct worker *worker = (const struct worker *)(const void *)host;
    struct pipeline *pipeline = pipeline_of(worker);

    remember(&pipeline->sink_notes[worker->channel - pipeline->channels], level, message, fields,
             field_count);
    log_for_host(host, level, message, fields, field_count);
}

/* ---- the source thread ---------------------------------------------------------------------- */

static void end_with(struct pipeline *pipeline, const char *culprit, const leat_error *error,
                     bool regressed)
{
    (void)pthread_mutex_lock(&pipeline->error_lock);
    if (pipeline->error.status == LEAT_OK) {
        pipeline->error = *error;
        (void)snprintf(pipeline->culprit, sizeof pipeline->culprit, "%s", culprit);
        pipeline->regressed = regressed;
    }
    (void)pthread_mutex_unlock(&pipeline->error_lock);
}

static bool must_stop(struct pipeline *pipeline)
{
    return pipeline_state(pipeline) != PIPELINE_RUNNING ||
           atomic_load_explicit(&pipeline->hurry, memory_order_acquire);
}

static uint32_t ms_left(struct pipeline *pipeline)
{
    int64_t deadline_ns = atomic_load_explicit(&pipeline->stop_deadline_ns, memory_order_relaxed);
    int64_t left_ms = (deadline_ns - clock_now_ns(pipeline->clock)) / 1000000;

    return left_ms <= 0 ? 0 : left_ms > 3600000 ? 3600000 : (uint32_t)left_ms;
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
    while (!atomic_load_explicit(&pipeline->hurry, memory_order_acquire) && ms_left(pipeline) > 0 &&
           (status == LEAT_OK || status == LEAT_AGAIN)) {
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
            status = source_loop_step(&pipeline->source,
                                      ms_left(pipeline) < 1000 ? (int32_t)ms_left(pipeline) : 1000,
                                      &error);
    }
}

static void let_workers_stop(struct pipeline *pipeline)
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
        end_with(pipeline, "source", &error, status == LEAT_ERETRY);
        atomic_store_explicit(&pipeline->hurry, true, memory_order_release);
    }
    if (ended)
        atomic_store_explicit(&pipeline->stop_deadline_ns, INT64_MAX / 2, memory_order_relaxed);
    source_drain(pipeline);
    (void)pipeline->source.ops->stop(pipeline->source.source,
                                     pipeline->drained && ms_left(pipeline) > 0
                                         ? ms_left(pipeline) < 5000 ? ms_left(pipeline) : 5000
                                         : 500);
    let_workers_stop(pipeline);
    atomic_store_explicit(&pipeline->state, PIPELINE_ENDED, memory_order_release);
    doorbell_force(pipeline->control_bell);
    return NULL;
}

/* ---- a worker thread ------------------------------------------------------------------------ */

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
        end_with(pipeline, worker->config->name, &worker->error, worker->regressed);
        atomic_store_explicit(&pipeline->hurry, true, memory_order_release);
        doorbell_force(&pipeline->source.bell);
    }
    if (atomic_load_explicit(&worker->channel->stopping, memory_order_acquire))
        worker_stop(worker, pipeline->drained
                                ? ms_left(pipeline)
                                : atomic_load_explicit(&pipeline->finish_ms, memory_order_relaxed));
    else
        worker_stop(worker, atomic_load_explicit(&worker->stop_ms, memory_order_relaxed));
    atomic_store_explicit(&worker->ended, true, memory_order_release);
    doorbell_force(pipeline->control_bell);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool start_thread(pthread_t *thread, void *(*entry)(void *), void *argument)
{
    pthread_attr_t attributes;
    bool ok;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    ok = pthread_create(thread, &attributes, entry, argument) == 0;
    (void)pthread_attr_destroy(&attributes);
    return ok;
}

/* The journal begins as the state file stood; a sink that is new in the configuration is not known. */
static void begin_journal(struct pipeline *pipeline)
{
    struct journal_entry *entry = &pipeline->journal.entry;

    *entry = pipeline->known;
    entry->sink_count = 0;
    for (size_t i = 0; i < pipeline->sink_count; i++) {
        struct journal_sink *sink = &entry->sinks[entry->sink_count++];
        memset(sink, 0, sizeof *sink);
        (void)snprintf(sink->name, sizeof sink->name, "%s", pipeline->sink_names[i]);
        for (uint32_t k = 0; k < pipeline->known.sink_count; k++)
            if (strcmp(pipeline->known.sinks[k].name, sink->name) == 0)
                *sink = pipeline->known.sinks[k];
    }
    atomic_store(&pipeline->journal.recorded, entry->position.value);
    pipeline->source.last_safe = entry->position.value;
    pipeline->source.window.durable.value = entry->position.value;
}

/* What a plugin returns is its answer; error->status need not repeat it, and its text may be empty. */
static bool is_made(leat_status status, leat_error *error)
{
    if (status == LEAT_OK)
        return true;
    error->status = status;
    if (!error->text[0])
        (void)snprintf(error->text, sizeof error->text,
                       "the plugin's create failed with %d and no reason", (int)status);
    return false;
}

/* errno says what there was none of. */
static void say_no_room(size_t share, bool mlock, leat_error *error)
{
    bool files = errno == EMFILE || errno == ENFILE;

    error->exit_code = errno == EPERM || errno == EAGAIN ? 77 : 73;
    (void)snprintf(error->text, sizeof error->text,
                   "cannot set aside %zu bytes for the source: %s%s", share, strerror(errno),
                   files   ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)"
                   : mlock ? "; mlock: true needs a high enough memlock limit"
                           : "");
}

static bool create_source(struct pipeline *pipeline, const struct pipeline_setup *setup,
                          size_t share, size_t factor, leat_error *error)
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
    if (!source_loop_init(&pipeline->source, &source)) {
        say_no_room(share, setup->mlock, error);
        return false;
    }
    pipeline->source.config = config;
    return is_made(source.ops->create(&pipeline->source.host, config->source_options,
                                      &pipeline->source.source, error),
                   error);
}

struct worker *pipeline_make_worker(struct pipeline *pipeline, uint32_t sink,
                                    const struct config_sink *config, const struct config *owner,
                                    leat_error *error)
{
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
        (void)snprintf(error->text, sizeof error->text, "no memory for sink %s", config->name);
        return NULL;
    }
    if (worker_init(worker, &setup, error) &&
        is_made(worker->ops->create(&worker->host, config->options, &worker->sink, error), error)) {
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

static struct pipeline *make_empty(const struct pipeline_setup *setup)
{
    size_t sinks = setup->config->sink_count;
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);

    if (!pipeline)
        return NULL;
    pipeline->config = setup->config;
    pipeline->owner = setup->owner;
    pipeline->clock = setup->clock;
    pipeline->control_bell = setup->control_bell;
    pipeline->watch = setup->watch;
    pipeline->sink_count = (uint32_t)sinks;
    pipeline->share = setup->memory / (1 + sinks);
    pipeline->factor = setup->memory_factor * (1 + sinks);
    pipeline->mlock = setup->mlock;
    (void)pthread_mutex_init(&pipeline->error_lock, NULL);
    note_init(&pipeline->source_note);
    note_init(&pipeline->record_note);
    for (size_t i = 0; i < JOURNAL_SINKS_MAX; i++)
        note_init(&pipeline->sink_notes[i]);
    for (size_t i = 0; i < sinks; i++)
        (void)snprintf(pipeline->sink_names[i], sizeof pipeline->sink_names[i], "%s",
                       setup->config->sinks[i].name);
    return pipeline;
}

struct pipeline *pipeline_create(const struct pipeline_setup *setup, leat_error *error)
{
    struct pipeline *pipeline = make_empty(setup);
    const char *what = "source";

    if (!pipeline) {
        (void)snprintf(error->text, sizeof error->text, "no memory");
        return NULL;
    }
    if (!journal_init(&pipeline->journal, setup->control_bell, &pipeline->source.bell) ||
        !create_source(pipeline, setup, pipeline->share, pipeline->factor, error))
        goto fail;
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        what = pipeline->sink_names[i];
        pipeline->workers[i] =
            pipeline_make_worker(pipeline, i, &setup->config->sinks[i], setup->owner, error);
        if (!pipeline->workers[i])
            goto fail;
    }
    return pipeline;
fail:
    (void)snprintf(pipeline->culprit, sizeof pipeline->culprit, "%s", what);
    if (error->status == LEAT_OK)
        error->status = LEAT_ECONFIG;
    pipeline_destroy(pipeline);
    return NULL;
}

bool pipeline_recall(struct pipeline *pipeline, const struct journal_entry *known,
                     leat_error *error)
{
    uint32_t dropped = 0;

    if (known) {
        pipeline->known = *known;
        pipeline->was_known = true;
    }
    begin_journal(pipeline);
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        if (!pipeline->journal.entry.sinks[i].dropped)
            continue;
        dropped++;
        atomic_store(&pipeline->channels[i].order, CHANNEL_DROP);
    }
    if (dropped < pipeline->sink_count)
        return true;
    error->status = LEAT_ECONFIG;
    error->exit_code = 65;
    (void)snprintf(
        error->text, sizeof error->text,
        "every sink that is left was dropped, and what was confirmed since is missing in "
        "it; put another one back, or accept the gap: remove \"dropped: true\" from "
        "%s.state",
        pipeline->config->name);
    return false;
}

bool pipeline_start_worker(struct pipeline *pipeline, uint32_t sink)
{
    pipeline->worker_running[sink] =
        start_thread(&pipeline->worker_threads[sink], worker_main, pipeline->workers[sink]);
    return pipeline->worker_running[sink];
}

bool pipeline_start(struct pipeline *pipeline, leat_error *error)
{
    atomic_store(&pipeline->state, PIPELINE_RUNNING);
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        if (!pipeline_start_worker(pipeline, i))
            goto fail;
    if (!start_thread(&pipeline->source_thread, source_main, pipeline))
        goto fail;
    pipeline->source_thread_started = true;
    return true;
fail:
    (void)snprintf(error->text, sizeof error->text, "cannot start a thread: %s", strerror(errno));
    let_workers_stop(pipeline);
    pipeline_join(pipeline);
    return false;
}

void pipeline_ask_stop(struct pipeline *pipeline, int64_t deadline_ns)
{
    int running = PIPELINE_RUNNING;

    atomic_store_explicit(&pipeline->stop_deadline_ns, deadline_ns, memory_order_relaxed);
    (void)atomic_compare_exchange_strong(&pipeline->state, &running, PIPELINE_STOPPING);
    doorbell_force(&pipeline->source.bell);
}

void pipeline_join(struct pipeline *pipeline)
{
    if (pipeline->source_thread_started)
        (void)pthread_join(pipeline->source_thread, NULL);
    pipeline->source_thread_started = false;
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        pipeline_join_worker(pipeline, i);
}

void pipeline_destroy(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        pipeline_destroy_worker(pipeline->workers[i]);
    if (pipeline->source.source)
        pipeline->source.ops->destroy(pipeline->source.source);
    if (pipeline->source.ops)
        source_loop_fini(&pipeline->source);
    journal_fini(&pipeline->journal);
    note_fini(&pipeline->source_note);
    note_fini(&pipeline->record_note);
    for (size_t i = 0; i < JOURNAL_SINKS_MAX; i++)
        note_fini(&pipeline->sink_notes[i]);
    (void)pthread_mutex_destroy(&pipeline->error_lock);
    free(pipeline);
}

/* ---- while it runs -------------------------------------------------------------------------- */

void pipeline_set_hold(struct pipeline *pipeline, enum pipeline_hold hold)
{
    atomic_store_explicit(&pipeline->hold, (int)hold, memory_order_relaxed);
    source_loop_hold(&pipeline->source, hold != PIPELINE_GOES);
    doorbell_force(&pipeline->source.bell);
}

void pipeline_set_order(struct pipeline *pipeline, uint32_t sink, enum channel_order order)
{
    atomic_store_explicit(&pipeline->channels[sink].order, (int)order, memory_order_release);
    doorbell_force(&pipeline->channels[sink].worker_bell);
}

leat_status pipeline_drop_sink(struct pipeline *pipeline, uint32_t sink, const char *why)
{
    leat_field fields[] = {LEAT_F_STR("reason", why)};
    leat_status status = journal_drop(&pipeline->journal, pipeline->sink_names[sink]);

    if (status != LEAT_OK)
        return status;
    pipeline_set_order(pipeline, sink, CHANNEL_DROP);
    note_write(&pipeline->sink_notes[sink], "dropped", why);
    log_event(pipeline->config->name, pipeline->sink_names[sink], LEAT_LOG_WARN,
              "sink dropped: the confirmation goes on without it", fields, 1);
    return LEAT_OK;
}

int pipeline_find_sink(const struct pipeline *pipeline, const char *name)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        if (strcmp(pipeline->sink_names[i], name) == 0)
            return (int)i;
    return -1;
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
