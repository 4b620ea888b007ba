/* SPDX-License-Identifier: Apache-2.0
 *
 * reload.c -- the configuration is read anew, and what changed begins anew.  [main]
 *
 * A reload makes everything that can fail before it touches anything that runs: the file is checked
 * whole, and new sources, sinks and pipelines are created (which does no I/O).  Then it goes
 * through two phases, one look a turn of the control thread, never waiting:
 *
 *     SETTLING  pipelines that are made anew, or go, hand out nothing more and finish what they
 *               have; here it can still be given up, and everything goes on as before
 *     STOPPING  they end, and so do the workers of sinks that are replaced
 *
 * and when all have ended, one switch: old things joined, new things started, the registry changed.
 * Which changes need what, and why nothing is lost or doubled on the way: docs/adr/0301.
 */
#include "config_compare.h"
#include "control_internal.h"
#include "log.h"
#include "notify.h"
#include "stage.h"
#include "worker_change.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS ((int64_t)5000000000) /* then it is taken as it is: see worker_remember */
#define FINISH_MS 5000u                 /* for what a sink has been lent */

enum job_kind {
    JOB_SAME = 0, /* nothing changed in this pipeline                                           */
    JOB_SINKS,    /* some of its sinks have other options: their workers are replaced           */
    JOB_ANEW,     /* its source, its list of sinks or its memory is another: a new one          */
    JOB_NEW       /* it was not there                                                           */
};

struct job { /* for each pipeline of the new configuration */
    enum job_kind kind;
    int old;                                   /* its index now; -1: none */
    struct pipeline *pipeline;                 /* of ANEW and NEW: without threads; owned */
    struct worker *workers[JOURNAL_SINKS_MAX]; /* of SINKS: NULL where nothing changed; owned */
};

enum phase { SETTLING, STOPPING };

struct reload {
    struct config *config; /* the new one; owned unless `anew` */
    bool anew;             /* no new configuration: one pipeline begins anew */
    char take_back[64];    /* then: the sink that was dropped; */
    bool refused;          /*       it stays so, since there is a gap by now */
    enum phase phase;
    int64_t begun_ns;
    bool drop_removed;
    struct order *order; /* to be answered; NULL: a signal, or answered */
    struct job jobs[CONFIG_PIPELINES_MAX];
    /* Of the present pipelines: */
    bool leaves[CONFIG_PIPELINES_MAX];               /* it is made anew, or goes */
    enum pipeline_hold before[CONFIG_PIPELINES_MAX]; /* how it stood */
    char summary[600];
};

/* ---- how it ends ---------------------------------------------------------------------------- */

static void free_jobs(struct reload *reload)
{
    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        pipeline_destroy(reload->jobs[i].pipeline);
        for (size_t k = 0; k < JOURNAL_SINKS_MAX; k++)
            pipeline_destroy_worker(reload->jobs[i].workers[k]);
    }
}

/* Nothing has changed, for the reason that is said everywhere. */
static void refuse(struct control *control, struct order *order, unsigned code, const char *why)
{
    leat_field fields[] = {LEAT_F_STR("error", why)};
    char line[256];

    log_event(NULL, NULL, LEAT_LOG_ERROR, "reload refused, everything goes on as before", fields,
              1);
    registry_reloaded(&control->registry, false, why);
    if (order)
        order_refuse(order, code, why);
    notify_send("READY=1");
    (void)snprintf(line, sizeof line, "reload refused: %.*s", (int)strcspn(why, "\n"), why);
    notify_status(line);
    control->next_status_ns = clock_now_ns(control->clock) + INT64_C(10000000000);
}

static void give_up(struct control *control, const char *why)
{
    struct reload *reload = control->reload;

    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (reload->leaves[i] && control->pipelines[i])
            pipeline_set_hold(control->pipelines[i], reload->before[i]);
    free_jobs(reload);
    if (!reload->anew)
        config_destroy(reload->config);
    control->reload = NULL;
    refuse(control, reload->order, 409, why);
    free(reload);
}

bool reload_give_up(struct control *control)
{
    if (!control->reload)
        return true;
    if (control->reload->phase != SETTLING)
        return false;
    give_up(control, "the daemon is stopping");
    return true;
}

bool reload_has(const struct control *control, size_t index)
{
    return control->reload && control->reload->leaves[index];
}

/* ---- the plan ------------------------------------------------------------------------------- */

static int find(const struct config *config, const char *pipeline)
{
    for (size_t i = 0; i < config->pipeline_count; i++)
        if (strcmp(config->pipelines[i].name, pipeline) == 0)
            return (int)i;
    return -1;
}

static bool has_sink(const struct config_pipeline *config, const char *sink)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].name, sink) == 0)
            return true;
    return false;
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
                          const struct config_pipeline *config, leat_error *error)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        if (config_same_sink(pipeline->workers[i]->config, &config->sinks[i]))
            continue;
        job->workers[i] =
            pipeline_make_worker(pipeline, i, &config->sinks[i], reload->config, error);
        if (!job->workers[i])
            return false;
    }
    return true;
}

/* Everything that can fail without anything having changed. */
static bool prepare(struct control *control, struct reload *reload, leat_error *error)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        reload->leaves[i] = control->pipelines[i] != NULL;
    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        const struct config_pipeline *config = &reload->config->pipelines[i];
        struct job *job = &reload->jobs[i];
        struct pipeline *old;

        job->old = find(control->config, config->name);
        old = job->old < 0 ? NULL : control->pipelines[job->old];
        job->kind = judge(old, reload->config, config);
        if (job->kind == JOB_SAME || job->kind == JOB_SINKS)
            reload->leaves[job->old] = false;
        if (job->kind == JOB_SINKS && !prepare_sinks(reload, job, old, config, error))
            return false;
        if (job->kind == JOB_ANEW || job->kind == JOB_NEW) {
            job->pipeline = control__create(control, reload->config, i, error);
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

static void summarize(struct control *control, struct reload *reload)
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
        if (control->pipelines[i] && find(reload->config, control->config->pipelines[i].name) < 0)
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

/* ---- settling ------------------------------------------------------------------------------- */

static void hold_what_leaves(struct control *control, struct reload *reload)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (!reload->leaves[i])
            continue;
        reload->before[i] = (enum pipeline_hold)atomic_load(&pipeline->hold);
        if (!reload->anew)
            pipeline_set_hold(pipeline, PIPELINE_DRAINED);
    }
}

/* The first sink that is gone from the configuration and has not finished; NULL: none. */
static const char *unfinished_sink(struct pipeline *pipeline, const struct config_pipeline *config)
{
    if (!atomic_load_explicit(&pipeline->source.counted, memory_order_acquire))
        return "(not known yet)";
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        if ((!config || !has_sink(config, pipeline->sink_names[i])) &&
            atomic_load_explicit(&pipeline->channels[i].left, memory_order_relaxed) > 0)
            return pipeline->sink_names[i];
    return NULL;
}

enum settled { READY, NOT_YET, NEVER };

/* Sinks that are gone have to finish, unless told otherwise; all others only should: what they have
 * by then is remembered. */
static enum settled look(struct control *control, size_t index, char *why, size_t size)
{
    struct reload *reload = control->reload;
    struct pipeline *pipeline = control->pipelines[index];
    int64_t age_ns = clock_now_ns(control->clock) - reload->begun_ns;
    int new = find(reload->config, control->config->pipelines[index].name);
    const char *waits = NULL;

    if (reload->anew || pipeline_state(pipeline) != PIPELINE_RUNNING ||
        atomic_load_explicit(&pipeline->source.settled, memory_order_acquire))
        return READY;
    if (!reload->drop_removed)
        waits = unfinished_sink(pipeline, new < 0 ? NULL : &reload->config->pipelines[new]);
    if (waits && age_ns > control->config->shutdown_timeout_ms * 1000000) {
        (void)snprintf(
            why, size,
            "sink %s of pipeline %s is gone from the configuration, but has not finished "
            "what it was given within shutdown_timeout; mend it, or reload with "
            "removed=drop to go on without those records in it",
            waits, pipeline->config->name);
        return NEVER;
    }
    if (waits)
        return NOT_YET;
    if (reload->drop_removed || age_ns > SETTLE_NS ||
        atomic_load_explicit(&pipeline->source.stuck, memory_order_acquire))
        return READY;
    return NOT_YET;
}

static enum settled look_at_all(struct control *control, char *why, size_t size)
{
    enum settled all = READY;

    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        enum settled one = control->reload->leaves[i] ? look(control, i, why, size) : READY;
        if (one == NEVER)
            return NEVER;
        if (one == NOT_YET)
            all = NOT_YET;
    }
    return all;
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void stop_all(struct control *control, struct reload *reload)
{
    int64_t now_ns = clock_now_ns(control->clock);

    stage_pass("reload_settled");
    reload->phase = STOPPING;
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (!reload->leaves[i])
            continue;
        atomic_store_explicit(&pipeline->finish_ms, FINISH_MS, memory_order_relaxed);
        pipeline_ask_stop(pipeline,
                          atomic_load(&pipeline->source.settled) ? now_ns + SETTLE_NS : now_ns);
    }
    for (size_t i = 0; i < reload->config->pipeline_count; i++)
        for (uint32_t k = 0; reload->jobs[i].kind == JOB_SINKS && k < JOURNAL_SINKS_MAX; k++)
            if (reload->jobs[i].workers[k])
                pipeline_stop_worker(control->pipelines[reload->jobs[i].old], k, FINISH_MS);
}

static bool has_stopped(struct control *control, struct reload *reload)
{
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (!reload->leaves[i])
            continue;
        if (pipeline_state(pipeline) != PIPELINE_ENDED)
            return false;
        for (uint32_t k = 0; k < pipeline->sink_count; k++)
            if (!pipeline_worker_stopped(pipeline, k))
                return false;
    }
    for (size_t i = 0; i < reload->config->pipeline_count; i++)
        for (uint32_t k = 0; reload->jobs[i].kind == JOB_SINKS && k < JOURNAL_SINKS_MAX; k++)
            if (reload->jobs[i].workers[k] &&
                !pipeline_worker_stopped(control->pipelines[reload->jobs[i].old], k))
                return false;
    return true;
}

/* ---- the switch ----------------------------------------------------------------------------- */

/* The new workers take over; the old ones are left in the job, to be destroyed. */
static bool switch_sinks(struct control *control, struct job *job)
{
    struct pipeline *pipeline = control->pipelines[job->old];
    leat_error error = {.size = sizeof error, .status = LEAT_EFATAL};

    /* It fails for its own reasons meanwhile: then there is nothing to go on with. */
    if (pipeline_state(pipeline) == PIPELINE_ENDED)
        return true;
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        struct worker *old = pipeline->workers[i];
        if (!job->workers[i])
            continue;
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
    (void)snprintf(error.text, sizeof error.text, "no memory or thread for a sink that changed");
    control__note_failure(control, pipeline->config->name, "reload", &error);
    return false;
}

/* Sinks that stay know what they had made durable, and stand as they stood. */
static bool remember_sinks(struct pipeline *pipeline, struct pipeline *old)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        int before = pipeline_find_sink(old, pipeline->sink_names[i]);
        if (before < 0)
            continue;
        if (!worker_remember(pipeline->workers[i], old->workers[before]))
            return false;
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
                       leat_error *error)
{
    struct pipeline *old = job->old < 0 ? NULL : control->pipelines[job->old];
    struct journal_entry *known = malloc(sizeof *known);
    bool was_known = false;
    bool good = known && control__recall(control, job->pipeline, known, &was_known, error);

    if (good && old)
        take_sink_back(reload, known);
    good = good && pipeline_recall(job->pipeline, was_known ? known : NULL, error) &&
           (!old || remember_sinks(job->pipeline, old));
    free(known);
    if (good && old)
        pipeline_set_hold(job->pipeline, reload->before[job->old]);
    if (!good || !pipeline_start(job->pipeline, error)) {
        if (error->status == LEAT_OK)
            error->status = LEAT_EFATAL;
        control__note_failure(control, job->pipeline->config->name, "reload", error);
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
        if (pipeline->error.status != LEAT_OK) {
            leat_field fields[] = {LEAT_F_STR("error", pipeline->error.text)};
            log_event(pipeline->config->name, pipeline->culprit, LEAT_LOG_WARN,
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
    free_jobs(reload);
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

static void finish(struct control *control)
{
    struct reload *reload = control->reload;
    leat_error error = {.size = sizeof error};
    bool good = true;

    stage_pass("reload_stopped");
    join_what_left(control, reload);
    for (size_t i = 0; i < reload->config->pipeline_count && good; i++) {
        struct job *job = &reload->jobs[i];
        if (job->kind == JOB_SINKS)
            good = switch_sinks(control, job);
        else if (job->pipeline)
            good = begin_anew(control, reload, job, &error);
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

/* ---- from the beginning --------------------------------------------------------------------- */

/* The file, or NULL with everything that is wrong with it in *why, which is to be freed. */
static struct config *load(const char *path, char **why)
{
    size_t size = 0;
    int exit_code = 0;
    FILE *errors = open_memstream(why, &size);
    struct config *config = errors ? config_load(path, errors, &exit_code) : NULL;

    if (errors)
        (void)fclose(errors);
    if (!config && *why && size > 0 && (*why)[size - 1] == '\n')
        (*why)[size - 1] = '\0';
    if (config && *why && **why) {
        leat_field fields[] = {LEAT_F_STR("warnings", *why)};
        log_event(NULL, NULL, LEAT_LOG_WARN, "configuration", fields, 1);
    }
    return config;
}

static struct reload *make(struct control *control, struct config *config, struct order *order)
{
    struct reload *reload = calloc(1, sizeof *reload);

    if (!reload)
        return NULL;
    reload->config = config;
    reload->order = order;
    reload->drop_removed = order && order->drop_removed;
    reload->begun_ns = clock_now_ns(control->clock);
    return reload;
}

static void begin(struct control *control, struct reload *reload)
{
    leat_error error = {.size = sizeof error};

    if (!prepare(control, reload, &error)) {
        free_jobs(reload);
        if (!reload->anew)
            config_destroy(reload->config);
        refuse(control, reload->order, 422, error.text);
        free(reload);
        return;
    }
    summarize(control, reload);
    stage_pass("reload_checked");
    hold_what_leaves(control, reload);
    control->reload = reload;
    reload_step(control);
}

void reload_begin(struct control *control, struct order *order)
{
    char *why = NULL, names[200], text[300];
    struct config *config;
    struct reload *reload;

    notify_reloading();
    log_event(NULL, NULL, LEAT_LOG_INFO, "reloading", NULL, 0);
    config = load(control->config->path, &why);
    if (!config) {
        refuse(control, order, 422, why ? why : "no memory");
    } else if (config_fixed_changes(control->config, config, names, sizeof names)) {
        (void)snprintf(
            text, sizeof text,
            "changed, but fixed while the daemon runs: %s; restart it, or undo the change", names);
        refuse(control, order, 422, text);
        config_destroy(config);
    } else if ((reload = make(control, config, order)) != NULL) {
        begin(control, reload);
    } else {
        refuse(control, order, 500, "no memory");
        config_destroy(config);
    }
    free(why);
}

void reload_take_back(struct control *control, size_t index, struct order *order)
{
    leat_error error = {.size = sizeof error};
    struct reload *reload = make(control, control->config, order);

    if (!reload) {
        order_refuse(order, 500, "no memory");
        return;
    }
    reload->anew = true;
    (void)snprintf(reload->take_back, sizeof reload->take_back, "%s", order->sink);
    for (size_t i = 0; i < control->config->pipeline_count; i++)
        reload->jobs[i].old = (int)i;
    reload->jobs[index].kind = JOB_ANEW;
    reload->jobs[index].pipeline = control__create(control, control->config, index, &error);
    if (!reload->jobs[index].pipeline) {
        order_refuse(order, 500, error.text);
        free(reload);
        return;
    }
    reload->leaves[index] = true;
    hold_what_leaves(control, reload);
    control->reload = reload;
    reload_step(control);
}

void reload_step(struct control *control)
{
    struct reload *reload = control->reload;
    char why[400];

    if (reload->phase == SETTLING) {
        switch (look_at_all(control, why, sizeof why)) {
        case NEVER:
            give_up(control, why);
            return;
        case READY:
            stop_all(control, reload);
            break;
        case NOT_YET:
            break;
        }
    }
    if (reload->phase == STOPPING && has_stopped(control, reload)) {
        finish(control);
        return;
    }
    if (reload->order &&
        clock_now_ns(control->clock) - reload->order->since_ns > CONTROL_ANSWER_NS) {
        order_grant(
            reload->order, 202,
            ",\"state\":\"reloading\",\"note\":\"what is in flight is still being finished; "
            "GET /status says how it ended\"");
        reload->order = NULL;
    }
}
