/* SPDX-License-Identifier: Apache-2.0
 *
 * control_configs.c -- the configurations that something still points into: the present one, and those
 * before it, as long as a pipeline or a worker of theirs runs.  [main]
 *
 * Nothing here reads a file: reload.c does.
 */
#include "control_internal.h"

#include <stdlib.h>

bool control__keep_config(struct control *control, struct config *config)
{
    control->configs = calloc(1, sizeof *control->configs);
    if (!control->configs) {
        config_destroy(config);
        return false;
    }
    control->configs->config = control->config = config;
    return true;
}

static bool is_used(const struct control *control, const struct config *config)
{
    if (config == control->config)
        return true;
    for (size_t i = 0; i < control->config->pipeline_count; i++) {
        const struct pipeline *pipeline = control->pipelines[i];
        if (pipeline && pipeline->owner == config)
            return true;
        for (uint32_t k = 0; pipeline && k < pipeline->sink_count; k++)
            if (pipeline->workers[k]->owner == config)
                return true;
    }
    return false;
}

void control__sweep(struct control *control)
{
    struct control_config **at = &control->configs;

    while (*at) {
        struct control_config *entry = *at;
        if (is_used(control, entry->config)) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        config_destroy(entry->config);
        free(entry);
    }
}

void control__free_configs(struct control *control)
{
    while (control->configs) {
        struct control_config *entry = control->configs;
        control->configs = entry->next;
        config_destroy(entry->config);
        free(entry);
    }
}
