/* SPDX-License-Identifier: Apache-2.0
 *
 * reload_switch.c -- everything that leaves has stopped: it is joined, the new is started at the
 * recorded position, and the registry changes.  [main]  It waits for nothing but threads that are
 * ending; why nothing is lost or doubled on the way: docs/adr/0301.
 */
#include "reload_internal.h"
#include "log.h"
#include "notify.h"
#include "stage.h"
#include "worker_change.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reload__free_jobs(struct reload *reload)
{
    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        pipeline_destroy(reload->jobs[i].pipeline);
        for (size_t k = 0; k < JOURNAL_SINKS_MAX; k++)
            pipeline_destroy_worker(reload->jobs[i].workers[k]);
    }
}

/* The new workers take over; the old ones are left in the job, to be destroyed. */
static bool switch_sinks(struct control *control, struct job *job)
{
    struct pipeline *pipeline = control->pipelines[job->old];
    struct failure failure = FAILURE_NONE;

    /* It fails for its own reasons meanwhile: then there is nothing to go on with. */
    if (pipeline_state(pipeline) == PIPELINE_ENDED)
        return true;
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        struct worker *old = pipeline->workers[i];
        if (!job->workers[i])
            continue;
        failure_blame(&failure, pipeline->config->name, pipeline->sink_names[i]);
        pipeline_join_worker(pipeline, i);
        if (!worker_inherit(job->workers[i], old))
            goto fail;
        registry_lock(&control->registry);
        pipeline->workers[i] = job->workers[i];
        registry_unlock(&control->registry);
        job->workers[i] = old;
        if (!pipeline_start_worker(pipeline, i))
            goto fail;
    }
    return true;
fail:
    (void)snprintf(failure.error.text, sizeof failure.error.text,
                   "no memory or thread for what changed");
    control__note_failure(control, &failure);
    return false;
}

/* Sinks that stay know what they had made durable, and stand as they stood. */
static bool remember_sinks(struct pipeline *pipeline, struct pipeline *old, struct failure *failure)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        int before = pipeline_find_sink(old, pipeline->sink_names[i]);
        if (before < 0)
            continue;
        if (!worker_remember(pipeline->workers[i], old->workers[before])) {
            failure_no_memory(failure, pipeline->config->name, pipeline->sink_names[i]);
            return false;
        }
        if (atomic_load(&old->channels[before].order) == CHANNEL_PAUSE)
            pipeline_set_order(pipeline, i, CHANNEL_PAUSE);
    }
    return true;
}

static void take_sink_back(struct reload *reload, struct journal_entry *known)
{
    leat_identity from, to;

    if (!*reload->take_back)
        return;
    reload->refused = journal_gap(known, reload->take_back, &from, &to) &&
                      !(reload->order && reload->order->accept_gap);
    for (uint32_t i = 0; i < known->sink_count && !reload->refused; i++)
        if (strcmp(known->sinks[i].name, reload->take_back) == 0)
            known->sinks[i].dropped = false;
}

static bool begin_anew(struct control *control, struct reload *reload, struct job *job,
                       struct failure *failure)
{
    struct pipeline *old = job->old < 0 ? NULL : control->pipelines[job->old];
    struct journal_entry *known = malloc(sizeof *known);
    bool was_known = false;
    bool good = control__recall(control, job->pipeline, known, &was_known, failure);

    if (good && old)
        take_sink_back(reload, known);
    good = good && pipeline_recall(job->pipeline, was_known ? known : NULL, failure) &&
           (!old || remember_sinks(job->pipeline, old, failure));
    free(known);
    if (good && old)
        pipeline_set_hold(job->pipeline, reload->before[job->old]);
    if (!good || !pipeline_start(job->pipeline, failure)) {
        control__note_failure(control, failure);
        return false;
    }
    return true;
}

static void join_what_left(struct control *control, struct reload *reload)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (!reload->leaves[i])
            continue;
        pipeline_join(pipeline);
        control__write_state(control, pipeline, true);
        if (pipeline->failure.error.status != LEAT_OK) {
            leat_field fields[] = {LEAT_F_STR("error", pipeline->failure.error.text)};
            log_event(pipeline->config->name, pipeline->failure.part, LEAT_LOG_WARN,
                      "failed while it was replaced", fields, 1);
        }
    }
}

static void keep_config(struct control *control, struct config *config)
{
    struct control_config *entry = calloc(1, sizeof *entry);

    assert(entry); /* a few bytes, and nothing sensible could be done without them */
    entry->config = config;
    entry->next = control->configs;
    control->configs = entry;
}

/* What is old by now is destroyed behind the registry's back. */
static void put_in_place(struct control *control, struct reload *reload)
{
    struct pipeline *gone[CONFIG_PIPELINES_MAX] = {NULL}, *now[CONFIG_PIPELINES_MAX] = {NULL};
    struct config *config = reload->config;

    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (reload->leaves[i])
            gone[i] = control->pipelines[i];
    for (size_t i = 0; i < config->pipeline_count; i++) {
        struct job *job = &reload->jobs[i];
        now[i] = job->pipeline ? job->pipeline : control->pipelines[job->old];
        job->pipeline = NULL;
    }
    registry_reconfigure(&control->registry, config, now);
    if (!reload->anew)
        keep_config(control, config);
    control->config = config;
    for (size_t i = 0; i < CONFIG_PIPELINES_MAX; i++)
        pipeline_destroy(gone[i]);
    reload__free_jobs(reload);
}

static void answer(struct control *control, struct reload *reload)
{
    struct text_buffer text = {0};
    leat_field fields[] = {LEAT_F_STR("changes", reload->summary)};

    if (!reload->anew) {
        log_event(NULL, NULL, LEAT_LOG_INFO, "reloaded", fields, 1);
        registry_reloaded(&control->registry, true, reload->summary);
    }
    if (!reload->order)
        return;
    if (control->exit_code != 0) {
        order_refuse(reload->order, 500, control->reason);
    } else if (reload->refused) {
        order_refuse(reload->order, 409,
                     "there is a gap by now: what this sink has not got was confirmed meanwhile; "
                     "to go on without it: resume with accept_gap=true");
    } else if (reload->anew) {
        order_grant(reload->order, 200, ",\"state\":\"running\"");
    } else {
        text_put_string(&text, ",\"message\":");
        text_put_json(&text, reload->summary);
        order_grant(reload->order, 200, text.text ? text.text : "");
        free(text.text);
    }
}

void reload__switch(struct control *control)
{
    struct reload *reload = control->reload;
    struct failure failure = FAILURE_NONE;
    bool good = true;

    stage_pass("reload_stopped");
    join_what_left(control, reload);
    for (size_t i = 0; i < reload->config->pipeline_count && good; i++) {
        struct job *job = &reload->jobs[i];
        if (job->kind == JOB_SINKS)
            good = switch_sinks(control, job);
        else if (job->pipeline)
            good = begin_anew(control, reload, job, &failure);
    }
    /* One that could not begin has ended the daemon: it drains the others, as ever. */
    for (size_t i = 0; i < reload->config->pipeline_count; i++)
        if (reload->jobs[i].pipeline && !reload->jobs[i].pipeline->source_thread_started)
            atomic_store(&reload->jobs[i].pipeline->state, PIPELINE_ENDED);
    put_in_place(control, reload);
    stage_pass("reload_switched");
    log_set_format(control->config->log_format);
    log_configure(control->config);
    control__sweep(control);
    answer(control, reload);
    free(reload);
    control->reload = NULL;
    notify_send("READY=1");
    control->next_status_ns = 0;
    if (control->exit_code != 0 || control->stop_asked)
        control__stop(control);
}
