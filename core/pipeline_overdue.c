/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_overdue.c -- a pipeline that should have been over, and is not: a thread of it does not come
 * back from its plugin.  [main]
 *
 * Nothing can be done to such a thread.  It is named, those beside it are joined, and the pipeline
 * stays as it is, because the thread may still touch all of it.  What it has was never confirmed.
 */
#include "log.h"
#include "pipeline_internal.h"

#define OVERDUE_NS INT64_C(10000000000) /* so much later than it should */

static bool source_is_over(const struct pipeline *pipeline)
{
    return !pipeline->source_thread_started ||
           atomic_load_explicit(&pipeline->state, memory_order_acquire) == PIPELINE_ENDED;
}

static bool worker_is_over(const struct pipeline *pipeline, uint32_t sink)
{
    return !pipeline->worker_running[sink] || pipeline_worker_stopped(pipeline, sink);
}

bool pipeline_is_over(const struct pipeline *pipeline)
{
    bool over = source_is_over(pipeline);

    for (uint32_t i = 0; over && i < pipeline->sink_count; i++)
        over = worker_is_over(pipeline, i);
    return over;
}

bool pipeline_is_overdue(struct pipeline *pipeline)
{
    int64_t now_ns = clock_now_ns(pipeline->clock);
    int64_t due_ns = atomic_load_explicit(&pipeline->stop_deadline_ns, memory_order_relaxed);
    enum pipeline_state state = pipeline_state(pipeline);

    if (pipeline_is_over(pipeline) || (state != PIPELINE_STOPPING && state != PIPELINE_ENDED))
        return false;
    if (state == PIPELINE_ENDED) {
        if (pipeline->ended_ns == 0)
            pipeline->ended_ns = now_ns;
        if (pipeline->ended_ns > due_ns)
            due_ns = pipeline->ended_ns;
    }
    due_ns += (int64_t)atomic_load_explicit(&pipeline->finish_ms, memory_order_relaxed) * 1000000;
    return now_ns - due_ns > OVERDUE_NS;
}

static void name_overdue(const struct pipeline *pipeline, const char *part, const char **first)
{
    log_event(pipeline->config->name, part, LEAT_LOG_ERROR,
              "thread does not come back from the plugin, it is left behind; what it has is not "
              "confirmed",
              NULL, 0);
    if (!*first)
        *first = part;
}

/* Workers whose source has not ended were not told to end: they are named only where they stand. */
bool pipeline_leave_behind(struct pipeline *pipeline, const char **first, struct failure *failure)
{
    bool source_over = source_is_over(pipeline), regressed;

    *first = NULL;
    if (source_over)
        pipeline__join_source(pipeline);
    else
        name_overdue(pipeline, "source", first);
    for (uint32_t i = 0; i < pipeline->sink_count; i++) {
        struct worker *worker = pipeline->workers[i];
        if (worker_is_over(pipeline, i))
            pipeline_join_worker(pipeline, i);
        else if (source_over ||
                 atomic_load_explicit(&worker->counters.still_ms, memory_order_relaxed))
            name_overdue(pipeline, pipeline->sink_names[i], first);
    }
    /* A thread that is left may still fail. */
    (void)pthread_mutex_lock(&pipeline->error_lock);
    *failure = pipeline->failure;
    regressed = pipeline->regressed;
    (void)pthread_mutex_unlock(&pipeline->error_lock);
    return regressed;
}
