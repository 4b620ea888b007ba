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
 * and when all have ended, one switch (reload_switch.c): old things joined, new things started, the
 * registry changed.  What is made anew, and what is only replaced: reload_plan.c;
 * what settling waits for: reload_settle.c; what becomes of it when a thread does not end:
 * reload_overdue.c.
 * Which changes need what, and why nothing is lost or doubled on the way: docs/adr/0301.
 */
#include "reload_internal.h"
#include "config_compare.h"
#include "log.h"
#include "notify.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINISH_MS 5000u /* for what a sink has been lent */

/* ---- how it ends ---------------------------------------------------------------------------- */

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
    reload__free_jobs(reload);
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
    const struct reload *reload = control->reload;

    if (!reload || reload->leaves[index])
        return reload != NULL;
    for (size_t i = 0; i < reload->config->pipeline_count; i++)
        if (reload->jobs[i].kind == JOB_SINKS && reload->jobs[i].old == (int)index)
            return true;
    return false;
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

/* ---- stopping ------------------------------------------------------------------------------- */

static void stop_all(struct control *control, struct reload *reload)
{
    int64_t now_ns = clock_now_ns(control->clock);

    stage_pass("reload_settled");
    reload->phase = STOPPING;
    reload->stopping_ns = now_ns;
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (!reload->leaves[i])
            continue;
        atomic_store_explicit(&pipeline->finish_ms, FINISH_MS, memory_order_relaxed);
        pipeline_ask_stop(
            pipeline, atomic_load(&pipeline->source.settled) ? now_ns + RELOAD_SETTLE_NS : now_ns);
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
    struct failure failure = FAILURE_NONE;
    char why[FAILURE_LINE_MAX];

    if (!reload__plan(control, reload, &failure)) {
        reload__free_jobs(reload);
        if (!reload->anew)
            config_destroy(reload->config);
        refuse(control, reload->order, 422, failure_print(why, &failure));
        free(reload);
        return;
    }
    reload__summarize(control, reload);
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
    struct failure failure = FAILURE_NONE;
    char why[FAILURE_LINE_MAX];
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
    reload->jobs[index].pipeline = control__create(control, control->config, index, 0, &failure);
    if (!reload->jobs[index].pipeline) {
        order_refuse(order, 500, failure_print(why, &failure));
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
    struct failure failure = FAILURE_NONE;
    char why[400];

    if (reload->phase == SETTLING) {
        switch (reload__look(control, why, sizeof why)) {
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
        reload__switch(control);
        return;
    }
    if (reload->phase == STOPPING && reload__is_overdue(control, &failure)) {
        reload__leave_behind(control, &failure);
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
