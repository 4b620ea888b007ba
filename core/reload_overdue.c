/* SPDX-License-Identifier: Apache-2.0
 *
 * reload_overdue.c -- a reload that cannot be finished, because a thread does not come back from its
 * plugin.  [main]
 *
 * It cannot be replaced, and what has ended already cannot go on: so the daemon ends, and begins again
 * with the new file.  What was made for that is never freed: the thread may still look at it.
 */
#include "log.h"
#include "notify.h"
#include "reload_internal.h"

#include <stdio.h>

#define LATE_NS INT64_C(15000000000) /* a worker that has not ended then does not come back */

bool reload__is_overdue(struct control *control, struct failure *failure)
{
    struct reload *reload = control->reload;
    int64_t age_ns = clock_now_ns(control->clock) - reload->stopping_ns;

    for (size_t i = 0; i < control->config->pipeline_count; i++)
        if (reload->leaves[i] && pipeline_is_overdue(control->pipelines[i])) {
            failure_blame(failure, control->pipelines[i]->config->name, "");
            return true;
        }
    for (size_t i = 0; i < reload->config->pipeline_count; i++) {
        const struct job *job = &reload->jobs[i];
        for (uint32_t k = 0; job->kind == JOB_SINKS && k < JOURNAL_SINKS_MAX; k++) {
            struct pipeline *pipeline = control->pipelines[job->old];
            if (!job->workers[k] || pipeline_worker_stopped(pipeline, k) || age_ns < LATE_NS)
                continue;
            failure_blame(failure, pipeline->config->name, pipeline->sink_names[k]);
            return true;
        }
    }
    return false;
}

void reload__leave_behind(struct control *control, struct failure *failure)
{
    struct order *order = control->reload->order;

    failure->error.status = LEAT_EFATAL;
    (void)snprintf(failure->error.text, sizeof failure->error.text,
                   "a thread of it does not come back from its plugin, so the reload cannot be "
                   "finished: the daemon ends and has to begin again, with the new configuration; "
                   "nothing is lost by that");
    control->left_behind = true;
    control->reload = NULL;
    control__note_failure(control, failure);
    registry_reloaded(&control->registry, false, control->reason);
    if (order)
        order_refuse(order, 500, control->reason);
    notify_send("READY=1");
    control__stop(control);
}
