/* SPDX-License-Identifier: Apache-2.0
 *
 * status_line.c -- see status_line.h.
 */
#include "status_line.h"

#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first reason for which it is not ready, or what it carries. */
static void put_line(const struct status *status, const struct text_buffer *reasons, char *out,
                     size_t size)
{
    double rate = 0;
    uint64_t unconfirmed = 0;

    if (strcmp(reasons->text, "ok\n") != 0) {
        (void)snprintf(out, size, "not ready: %.*s", (int)strcspn(reasons->text, "\n"),
                       reasons->text);
        return;
    }
    for (size_t i = 0; i < status->pipeline_count; i++) {
        rate += status->pipelines[i].changes_per_second;
        unconfirmed += status->pipelines[i].unconfirmed_bytes;
    }
    (void)snprintf(out, size, "%zu pipeline%s, %.0f changes/s, %.1f MiB not confirmed",
                   status->pipeline_count, status->pipeline_count == 1 ? "" : "s", rate,
                   (double)unconfirmed / (1024 * 1024));
}

bool status_line(struct registry *registry, char *out, size_t size)
{
    struct status *status = status_take(registry);
    struct text_buffer reasons = {0};

    if (status)
        (void)status_ready(status, &reasons);
    if (status && reasons.text && !reasons.failed)
        put_line(status, &reasons, out, size);
    else
        out[0] = '\0';
    free(reasons.text);
    free(status);
    return out[0] != '\0';
}
