/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.c -- see pipeline.h: a pipeline as a whole is made, started, asked to stop, joined and
 * destroyed, and what commands do to it meanwhile.  [main], but for what pipeline_internal.h and
 * pipeline_drop_sink say.
 *
 * What its threads do is in pipeline_source.c and pipeline_sink.c; of all that is
 * here only pipeline_join waits for a thread.
 */
#include "pipeline.h"

#include "log.h"
#include "pipeline_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_STACK_BYTES ((size_t)1024 * 1024)

/* ---- what its threads share ----------------------------------------------------------------- */

void pipeline__remember(struct note *note, int32_t level, const char *message,
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

void pipeline__end_with(struct pipeline *pipeline, const char *part, const leat_error *error,
                        bool regressed)
{
    (void)pthread_mutex_lock(&pipeline->error_lock);
    if (pipeline->failure.error.status == LEAT_OK) {
        pipeline->failure.error = *error;
        failure_blame(&pipeline->failure, pipeline->config->name, part);
        if (!error->text[0])
            (void)snprintf(pipeline->failure.error.text, sizeof pipeline->failure.error.text,
                           "the plugin failed with %d and no reason", (int)error->status);
        pipeline->regressed = regressed;
    }
    (void)pthread_mutex_unlock(&pipeline->error_lock);
}

uint32_t pipeline__ms_left(struct pipeline *pipeline)
{
    int64_t deadline_ns = atomic_load_explicit(&pipeline->stop_deadline_ns, memory_order_relaxed);
    int64_t left_ms = (deadline_ns - clock_now_ns(pipeline->clock)) / 1000000;

    return left_ms <= 0 ? 0 : left_ms > 3600000 ? 3600000 : (uint32_t)left_ms;
}

bool pipeline__start_thread(pthread_t *thread, void *(*entry)(void *), void *argument)
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

/* What a plugin returns is its answer; error->status need not repeat it, and its text may be empty. */
bool pipeline__is_made(leat_status status, leat_error *error)
{
    if (status == LEAT_OK)
        return true;
    error->status = status;
    if (!error->text[0])
        (void)snprintf(error->text, sizeof error->text,
                       "the plugin's create failed with %d and no reason", (int)status);
    return false;
}

/* ---- made ----------------------------------------------------------------------------------- */

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

struct pipeline *pipeline_create(const struct pipeline_setup *setup, struct failure *failure)
{
    struct pipeline *pipeline = make_empty(setup);
    bool made =
        pipeline && journal_init(&pipeline->journal, setup->control_bell, &pipeline->source.bell);

    if (!made)
        failure_no_memory(failure, setup->config->name, "");
    made = made &&
           pipeline__create_source(pipeline, setup, pipeline->share, pipeline->factor, failure);
    for (uint32_t i = 0; made && i < pipeline->sink_count; i++) {
        pipeline->workers[i] = pipeline_make_worker(pipeline, i, &setup->config->sinks[i],
                                                    setup->owner, setup->try_ms, failure);
        made = pipeline->workers[i] != NULL;
    }
    if (made)
        return pipeline;
    if (failure->error.status == LEAT_OK)
        failure->error.status = LEAT_ECONFIG;
    pipeline_destroy(pipeline);
    return NULL;
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

bool pipeline_recall(struct pipeline *pipeline, const struct journal_entry *known,
                     struct failure *failure)
{
    leat_error *error = &failure->error;
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
    failure_blame(failure, pipeline->config->name, "state");
    return false;
}

/* ---- started and ended ---------------------------------------------------------------------- */

bool pipeline_start(struct pipeline *pipeline, struct failure *failure)
{
    const char *part = NULL;

    atomic_store(&pipeline->state, PIPELINE_RUNNING);
    for (uint32_t i = 0; !part && i < pipeline->sink_count; i++)
        if (!pipeline_start_worker(pipeline, i))
            part = pipeline->sink_names[i];
    if (!part && pipeline__start_source(pipeline))
        return true;
    (void)snprintf(failure->error.text, sizeof failure->error.text, "cannot start a thread: %s",
                   strerror(errno));
    failure_blame(failure, pipeline->config->name, part ? part : "source");
    pipeline__let_workers_stop(pipeline);
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

void pipeline__join_source(struct pipeline *pipeline)
{
    if (pipeline->source_thread_started)
        (void)pthread_join(pipeline->source_thread, NULL);
    pipeline->source_thread_started = false;
}

void pipeline_join(struct pipeline *pipeline)
{
    pipeline__join_source(pipeline);
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
