/* SPDX-License-Identifier: Apache-2.0
 *
 * host_services.c -- see host_services.h.
 */
#include "host_services.h"

#include "options.h"
#include "source_loop.h"
#include "stage.h"
#include "worker.h"

#include <string.h>

static const struct option_templates *source_templates(const leat_host *host)
{
    const struct source_loop *loop = (const struct source_loop *)(const void *)host;

    return loop->config ? loop->config->source_templates : NULL;
}

static const struct option_templates *sink_templates(const leat_host *host)
{
    return ((const struct worker *)(const void *)host)->config->templates;
}

static leat_status source_secret(const leat_host *host, const char *option, char *out, size_t size)
{
    return options_expand(source_templates(host), option, out, size);
}

static leat_status sink_secret(const leat_host *host, const char *option, char *out, size_t size)
{
    return options_expand(sink_templates(host), option, out, size);
}

static const leat_secrets source_secrets = {.size = sizeof source_secrets, .current = source_secret};
static const leat_secrets sink_secrets = {.size = sizeof sink_secrets, .current = sink_secret};

#ifdef LEAT_DEBUG
static const leat_stages stages = {.size = sizeof stages, .pass = stage_pass};
#endif

static const void *common(const char *id)
{
#ifdef LEAT_DEBUG
    if (strcmp(id, LEAT_EXTENSION_STAGES) == 0)
        return &stages;
#endif
    (void)id;
    return NULL;
}

const void *host_services_for_source(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return source_templates(host) ? &source_secrets : NULL;
    return common(id);
}

const void *host_services_for_sink(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_SECRETS) == 0)
        return sink_templates(host) ? &sink_secrets : NULL;
    return common(id);
}
