/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.c -- see guard.h.  [source]
 */
#include "guard.h"

#include "host_services.h"
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

static void put_name(char *name, size_t size, const char *text)
{
    if (size > 0)
        (void)snprintf(name, size, "%s", text);
}

static leat_status behind(const leat_host *host, char *name, size_t size)
{
    struct pipeline *pipeline = pipeline_of_source(host);
    int index = source_loop_behind(&pipeline->source);

    put_name(name, size, index < 0 ? "" : pipeline->sink_names[index]);
    return index < 0 ? LEAT_AGAIN : LEAT_OK;
}

static leat_status drop_sink(const leat_host *host, const char *why, char *name, size_t size)
{
    struct pipeline *pipeline = pipeline_of_source(host);
    leat_status status = behind(host, name, size);

    if (status == LEAT_OK)
        status = pipeline_drop_sink(pipeline, (uint32_t)source_loop_behind(&pipeline->source), why);
    return status;
}

static const leat_guard guard = {.size = sizeof guard, .behind = behind, .drop_sink = drop_sink};

const void *guard_services_for_source(const leat_host *host, const char *id)
{
    if (strcmp(id, LEAT_EXTENSION_GUARD) == 0)
        return &guard;
    return host_services_for_source(host, id);
}
