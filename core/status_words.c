/* SPDX-License-Identifier: Apache-2.0
 *
 * status_words.c -- the states of pipelines, sources and sinks in words, the same in every form of
 * the picture.  [any]
 *
 * Static strings; nothing here looks at anything but the picture.
 */
#include "status.h"

const char *status_pipeline_word(const struct status_pipeline *pipeline)
{
    static const char *const words[] = {"new", "running", "draining", "ended"};

    if (pipeline->present && pipeline->state == PIPELINE_RUNNING &&
        pipeline->hold == PIPELINE_PAUSED)
        return "paused";
    if (pipeline->present && pipeline->state == PIPELINE_RUNNING &&
        pipeline->hold == PIPELINE_DRAINED)
        return pipeline->settled ? "drained" : "draining";
    if (pipeline->present)
        return words[pipeline->state];
    return pipeline->begun ? "ended" : "starting";
}

const char *status_source_word(int state)
{
    static const char *const words[] = {"starting", "connecting",  "streaming",
                                        "waiting",  "backing-off", "failed"};

    return words[state];
}

const char *status_sink_word(int state)
{
    static const char *const words[] = {"waiting", "starting", "running", "recovering", "retrying",
                                        "down",    "failed",   "dropped", "paused"};

    return words[state];
}

const char *status_waits_for(const struct status_sink *sink)
{
    if (sink->still_ms > 0)
        return "the plugin, which does not come back";
    switch (sink->state) {
    case WORKER_WAITING:
        return "the source to reach its origin";
    case WORKER_STARTING:
        return "the sink's server";
    case WORKER_RUNNING:
        return sink->oldest_ms > 0 ? "the sink's acknowledgement" : "";
    case WORKER_RECOVERING:
        return "failed batches to come back";
    case WORKER_RETRYING:
    case WORKER_DOWN:
        return "the next try";
    case WORKER_DROPPED:
    case WORKER_PAUSED:
        return "a command";
    default:
        return "";
    }
}
