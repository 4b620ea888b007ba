/* SPDX-License-Identifier: Apache-2.0
 *
 * config_log.c -- see config_log.h.
 */
#include "config_log.h"

#include <string.h>

const char *const config_log_words[] = {"error", "warn", "info", "debug", NULL};

int config_log_level(const char *word)
{
    for (int i = 0; config_log_words[i]; i++)
        if (strcmp(config_log_words[i], word) == 0)
            return i;
    return -1;
}

static bool is_part(const struct config_pipeline *pipeline, const char *name)
{
    if (strcmp(name, "source") == 0)
        return true;
    for (size_t i = 0; i < pipeline->sink_count; i++)
        if (strcmp(pipeline->sinks[i].name, name) == 0)
            return true;
    return false;
}

bool config_log_is_component(const struct config *config, const char *name)
{
    const char *slash = strchr(name, '/');

    if (strcmp(name, "core") == 0)
        return true;
    for (size_t i = 0; i < config->pipeline_count; i++) {
        const struct config_pipeline *pipeline = &config->pipelines[i];
        size_t length = strlen(pipeline->name);
        if (!slash && is_part(pipeline, name))
            return true;
        if (slash && (size_t)(slash - name) == length &&
            memcmp(name, pipeline->name, length) == 0 && is_part(pipeline, slash + 1))
            return true;
    }
    return false;
}
