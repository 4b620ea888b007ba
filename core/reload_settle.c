/* SPDX-License-Identifier: Apache-2.0
 *
 * reload_settle.c -- has what leaves finished what it was given, and may it end unfinished?  [main]
 * A look a turn of the control thread; it never waits.
 */
#include "reload_internal.h"

#include <stdio.h>
#include <string.h>

static bool has_sink(const struct config_pipeline *config, const char *sink)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].name, sink) == 0)
            return true;
    return false;
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

/* Sinks that are gone have to finish, unless told otherwise; all others only should: what they have
 * by then is remembered. */
static enum settled look(struct control *control, size_t index, char *why, size_t size)
{
    struct reload *reload = control->reload;
    struct pipeline *pipeline = control->pipelines[index];
    int64_t age_ns = clock_now_ns(control->clock) - reload->begun_ns;
    int new = reload__find(reload->config, control->config->pipelines[index].name);
    const char *waits = NULL;
    char place[PLACE_MAX];

    if (reload->anew || pipeline_state(pipeline) != PIPELINE_RUNNING ||
        atomic_load_explicit(&pipeline->source.settled, memory_order_acquire))
        return READY;
    if (!reload->drop_removed)
        waits = unfinished_sink(pipeline, new < 0 ? NULL : &reload->config->pipelines[new]);
    if (waits && age_ns > control->config->shutdown_timeout_ms * 1000000) {
        (void)snprintf(
            why, size,
            "%s: it is gone from the configuration, but has not finished what it was given within "
            "shutdown_timeout; mend it, or reload with removed=drop to go on without those records "
            "in it",
            place_print(place, pipeline->config->name, waits));
        return NEVER;
    }
    if (waits)
        return NOT_YET;
    if (reload->drop_removed || age_ns > RELOAD_SETTLE_NS ||
        atomic_load_explicit(&pipeline->source.stuck, memory_order_acquire))
        return READY;
    return NOT_YET;
}

enum settled reload__look(struct control *control, char *why, size_t size)
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
