/* SPDX-License-Identifier: Apache-2.0
 *
 * control_pipelines.c -- the pipelines' lives: each is made with what its state file knows, recorded
 * while it runs, and reaped when it has ended; one that a new beginning mends is made anew.  [main]
 *
 * Nothing here touches a batch, nor reads a configuration.
 */
#include "control_internal.h"

#include "exit_code.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- state files ---------------------------------------------------------------------------- */

void control__write_state(struct control *control, struct pipeline *pipeline, bool all)
{
    struct journal_entry entry;
    leat_error error = {.size = sizeof error};

    if (!journal_take(&pipeline->journal, all, &entry))
        return;
    if (state_save(&control->state, pipeline->config->name, &entry, &error)) {
        journal_written(&pipeline->journal, &entry);
        atomic_store_explicit(&pipeline->cannot_record, false, memory_order_relaxed);
    } else {
        leat_field fields[] = {LEAT_F_STR("error", error.text)};
        note_write(&pipeline->record_note, error.text, NULL);
        atomic_store_explicit(&pipeline->cannot_record, true, memory_order_relaxed);
        journal_failed(&pipeline->journal);
        log_event(pipeline->config->name, NULL, LEAT_LOG_ERROR,
                  "cannot record the position, nothing is confirmed until that works", fields, 1);
    }
}

void control__write_states(struct control *control)
{
    int64_t now_ns = clock_now_ns(control->clock);
    bool all = now_ns >= control->next_write_ns || control->stopping;
    int64_t interval_ms = 1000;

    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        if (control->pipelines[i])
            control__write_state(control, control->pipelines[i], all);
        if (control->config->pipelines[i].confirm_interval_ms < interval_ms)
            interval_ms = control->config->pipelines[i].confirm_interval_ms;
    }
    if (all)
        control->next_write_ns = now_ns + interval_ms * 1000000;
}

/* ---- made ----------------------------------------------------------------------------------- */

void control__note_failure(struct control *control, const struct failure *failure)
{
    leat_field fields[] = {LEAT_F_STR("error", failure->error.text)};

    log_event(failure->pipeline, *failure->part ? failure->part : NULL, LEAT_LOG_ERROR,
              "pipeline failed", fields, 1);
    if (control->exit_code != 0)
        return;
    control->exit_code = exit_code_of(&failure->error);
    registry_failed(&control->registry, failure_print(control->reason, failure));
}

struct pipeline *control__create(struct control *control, const struct config *config, size_t index,
                                 int32_t try_ms, struct failure *failure)
{
    struct pipeline_setup setup = {
        .config = &config->pipelines[index],
        .owner = config,
        .clock = control->clock,
        .control_bell = &control->bell,
        .memory = (size_t)config->memory / config->pipeline_count,
        .memory_factor = config->pipeline_count,
        .tally_tables = (uint32_t)config->metrics_tables,
        .mlock = config->mlock,
        .try_ms = try_ms,
    };

    return pipeline_create(&setup, failure);
}

bool control__recall(struct control *control, struct pipeline *pipeline,
                     struct journal_entry *known, bool *was_known, struct failure *failure)
{
    const char *name = pipeline->config->name;
    leat_status status =
        known ? state_load(&control->state, name, known, &failure->error) : LEAT_EFATAL;

    *was_known = status == LEAT_OK;
    if (status == LEAT_OK || status == LEAT_EOF)
        return true;
    if (known)
        failure_blame(failure, name, "state");
    else
        failure_no_memory(failure, name, "state");
    return false;
}

bool control__make_pipeline(struct control *control, size_t index, int32_t try_ms)
{
    struct failure failure = FAILURE_NONE;
    struct journal_entry *known = malloc(sizeof *known);
    struct pipeline *pipeline = control__create(control, control->config, index, try_ms, &failure);
    bool was_known = false;
    bool good = pipeline && control__recall(control, pipeline, known, &was_known, &failure) &&
                pipeline_recall(pipeline, was_known ? known : NULL, &failure);

    free(known);
    if (good && pipeline_start(pipeline, &failure)) {
        registry_set(&control->registry, index, pipeline);
        return true;
    }
    pipeline_destroy(pipeline);
    control__note_failure(control, &failure);
    return false;
}

/* ---- ended ---------------------------------------------------------------------------------- */

static void keep_orders(struct pipeline *pipeline, enum pipeline_hold hold, const bool *paused)
{
    pipeline_set_hold(pipeline, hold);
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        if (paused[i] && atomic_load(&pipeline->channels[i].order) == CHANNEL_GO)
            pipeline_set_order(pipeline, i, CHANNEL_PAUSE);
}

static void pipeline_ended(struct control *control, size_t index)
{
    struct pipeline *pipeline = control->pipelines[index];
    const struct failure *failure = &pipeline->failure;
    enum pipeline_hold hold = (enum pipeline_hold)atomic_load(&pipeline->hold);
    bool paused[JOURNAL_SINKS_MAX] = {false};
    bool again;

    pipeline_join(pipeline);
    control__write_state(control, pipeline, true);
    again = pipeline->regressed && !control->stop_asked;
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        paused[i] = atomic_load(&pipeline->channels[i].order) == CHANNEL_PAUSE;
    if (again) {
        leat_field fields[] = {LEAT_F_STR("error", failure->error.text)};
        log_event(failure->pipeline, failure->part, LEAT_LOG_ERROR,
                  strcmp(failure->part, "source") == 0
                      ? "beginning again at the recorded position"
                      : "sink went backwards, beginning again at the confirmed position",
                  fields, 1);
    } else if (failure->error.status != LEAT_OK) {
        control__note_failure(control, failure);
    } else if (!pipeline->drained && pipeline->source.begun) {
        log_event(pipeline->config->name, NULL, LEAT_LOG_WARN,
                  "stopped before everything in flight was durable, it will be sent again", NULL,
                  0);
    }
    registry_set(&control->registry, index, NULL);
    pipeline_destroy(pipeline);
    if (again && control__make_pipeline(control, index, 0))
        keep_orders(control->pipelines[index], hold, paused);
    else if (control->exit_code != 0)
        control__stop(control);
}

/* That is told, and recorded what it has confirmed.  The daemon fails for it, unless it was told to stop:
 * then it ends as it would have. */
static void leave_behind(struct control *control, struct pipeline *pipeline)
{
    struct failure failure;
    const char *part;
    bool regressed = pipeline_leave_behind(pipeline, &part, &failure);

    control__write_state(control, pipeline, true);
    control->left_behind = true;
    if (control->stop_asked && failure.error.status == LEAT_OK)
        return;
    if (failure.error.status == LEAT_OK || regressed) {
        failure = FAILURE_NONE;
        failure_blame(&failure, pipeline->config->name, part);
        failure.error.status = LEAT_EFATAL;
        (void)snprintf(failure.error.text, sizeof failure.error.text,
                       "its thread does not come back from the plugin, so it can only begin again "
                       "with the daemon; nothing is lost by that");
    }
    control__note_failure(control, &failure);
}

/* It stays as it is, for the thread that is still in it. */
static void pipeline_overdue(struct control *control, size_t index)
{
    struct pipeline *pipeline = control->pipelines[index];

    leave_behind(control, pipeline);
    registry_set(&control->registry, index, NULL);
    if (control->exit_code != 0)
        control__stop(control);
}

bool control__reap(struct control *control)
{
    bool any_left = control->reload != NULL;

    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        struct pipeline *pipeline = control->pipelines[i];
        if (pipeline && !reload_has(control, i)) {
            if (pipeline_state(pipeline) == PIPELINE_ENDED && pipeline_is_over(pipeline))
                pipeline_ended(control, i);
            else if (pipeline_is_overdue(pipeline))
                pipeline_overdue(control, i);
        }
        any_left = any_left || control->pipelines[i];
    }
    return any_left;
}
