/* SPDX-License-Identifier: Apache-2.0
 *
 * reload_plan.c -- what a new configuration asks of each pipeline, and the new sources, sinks and
 * pipelines for it.  [main]  It starts nothing and touches nothing that runs.
 */
#include "reload_internal.h"
#include "config_compare.h"

#include <stdio.h>
#include <string.h>

int reload__find(const struct config *config, const char *pipeline)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (strcmp(config->pipelines[i].name, pipeline) == 0)
            return (int)i;
    return -1;
}

/* The same sinks in the same places, whatever their options. */
static bool same_names(const struct pipeline *pipeline, const struct config_pipeline *config)
{
    if (pipeline->sink_count != config->sink_count)
        return false;
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(pipeline->sink_names[i], config->sinks[i].name) != 0)
            return false;
    return true;
}

/* Memory is divided at the start: whatever changes a share makes the pipeline anew. */
static enum job_kind judge(const struct pipeline *pipeline, const struct config *new,
                           const struct config_pipeline *config)
{
    size_t share = (size_t) new->memory / new->pipeline_count / (1 + config->sink_count);

    if (!pipeline)
        return JOB_NEW;
    if (!config_same_source(pipeline->config, config) || !same_names(pipeline, config) ||
        pipeline->share != share)
        return JOB_ANEW;
    for (size_t i = 0; i < config->sink_count; i++)
        if (!config_same_sink(pipeline->workers[i]->config, &config->sinks[i]))
            return JOB_SINKS;
    return JOB_SAME;
}

static bool prepare_sinks(struct reload *reload, struct job *job, struct pipeline *pipeline,
                          const struct config_pipeline *config, struct failure *failure)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        if (config_same_sink(pipeline->workers[i]->config, &config->sinks[i]))
            continue;
        job->workers[i] = pipeline_make_worker(pipeline, i, &config->sinks[i], reload->config,
                                               CONTROL_TRY_MS, failure);
        if (!job->workers[i])
            return false;
    }
    return true;
}

/* Everything that can fail without anything having changed. */
bool reload__plan(struct control *control, struct reload *reload, struct failure *failure)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        reload->leaves[i] = control->pipelines[i] != NULL;
    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        const struct config_pipeline *config = &reload->config->pipelines[i];
        struct job *job = &reload->jobs[i];
        struct pipeline *old;

        job->old = reload__find(control->config, config->name);
        old = job->old < 0 ? NULL : control->pipelines[job->old];
        job->kind = judge(old, reload->config, config);
        if (job->kind == JOB_SAME || job->kind == JOB_SINKS)
            reload->leaves[job->old] = false;
        if (job->kind == JOB_SINKS && !prepare_sinks(reload, job, old, config, failure))
            return false;
        if (job->kind == JOB_ANEW || job->kind == JOB_NEW) {
            job->pipeline = control__create(control, reload->config, i, CONTROL_TRY_MS, failure);
            if (!job->pipeline)
                return false;
        }
    }
    return true;
}

static void add_name(char *list, size_t size, const char *pipeline, const char *sink)
{
    size_t length = strlen(list);

    (void)snprintf(list + length, size - length, "%s%s%s%s", length ? ", " : "", pipeline,
                   sink ? "/" : "", sink ? sink : "");
}

void reload__summarize(struct control *control, struct reload *reload)
{
    char sinks[200] = "", anew[150] = "", added[100] = "", removed[100] = "";

    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        const struct config_pipeline *config = &reload->config->pipelines[i];
        struct job *job = &reload->jobs[i];
        for (size_t k = 0; job->kind == JOB_SINKS && k < config->sink_count; k++)
            if (job->workers[k])
                add_name(sinks, sizeof sinks, config->name, config->sinks[k].name);
        if (job->kind == JOB_ANEW)
            add_name(anew, sizeof anew, config->name, NULL);
        if (job->kind == JOB_NEW)
            add_name(added, sizeof added, config->name, NULL);
    }
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (control->pipelines[i] &&
            reload__find(reload->config, control->config->pipelines[i].name) < 0)
            add_name(removed, sizeof removed, control->config->pipelines[i].name, NULL);
    (void)snprintf(reload->summary, sizeof reload->summary, "%s%s%s%s%s%s%s%s",
                   *sinks ? "; sinks restarted: " : "", sinks,
                   *anew ? "; pipelines restarted: " : "", anew,
                   *added ? "; pipelines added: " : "", added,
                   *removed ? "; pipelines removed: " : "", removed);
    memmove(reload->summary, reload->summary + (*reload->summary ? 2 : 0),
            strlen(reload->summary + (*reload->summary ? 2 : 0)) + 1);
    if (!*reload->summary)
        (void)snprintf(reload->summary, sizeof reload->summary, "no source and no sink changed");
}
