/* SPDX-License-Identifier: Apache-2.0
 *
 * isolate_try.c -- whether the plugin of an isolated sink takes its options: a helper process loads
 * it and makes an instance, which is all that it does, and says how that went.  [main]
 *
 * Here the caller waits, as it does in the create of a sink without a process: nothing has begun
 * yet, and nothing may before the answer is known.  It never starts the sink, and leaves no process.
 */
#include "isolate_internal.h"

#include "isolate.h"
#include "plugins.h"

#include <stdio.h>
#include <string.h>

#define FINISH_MS 1000u

/* What the process said, AGAIN when it did not for too long, or what its end makes of it. */
static leat_status wait_for_create(leat_sink *sink, int32_t longest_ms, leat_error *error)
{
    leat_sink_start start = {.size = sizeof start, .name_space = "", .format = ""};
    const leat_sink_ops *ops = &sink->worker->isolated;
    int64_t until_ns = sink->host->now_ns(sink->host) + (int64_t)longest_ms * 1000000;
    leat_status status;

    while ((status = ops->start(sink, &start, error)) == LEAT_AGAIN) {
        int64_t left_ms = (until_ns - sink->host->now_ns(sink->host)) / 1000000;
        int32_t look_ms = isolate_watch(sink);
        if (left_ms <= 0)
            break;
        isolate_wait(sink, -1, left_ms < look_ms ? (int32_t)left_ms : look_ms);
    }
    return status;
}

/* It ended, or was ended, in the plugin's code: with another start it would do so again. */
static leat_status blame(leat_error *error)
{
    size_t length = strlen(error->text);

    (void)snprintf(error->text + length, sizeof error->text - length,
                   " before its create came back");
    error->exit_code = 70;
    return LEAT_EFATAL;
}

leat_status isolate_try(struct worker *worker, int32_t longest_ms, leat_error *error)
{
    leat_sink *sink = worker->sink;
    leat_status status;
    char how[128];
    int pid;

    sink->is_trial = true;
    status = wait_for_create(sink, longest_ms, error);
    sink->is_trial = false;
    pid = (int)sink->pid;
    if (status == LEAT_AGAIN) {
        (void)isolate_end(sink, 0, how, sizeof how);
        (void)snprintf(error->text, sizeof error->text,
                       "the process %d of plugin %s did not answer for %d ms and was killed", pid,
                       plugin_name(worker->config->plugin), longest_ms);
        return blame(error);
    }
    if (pid <= 0)
        return sink->was_begun ? blame(error) : status;
    (void)worker->isolated.stop(sink, FINISH_MS);
    return status;
}
