/* SPDX-License-Identifier: Apache-2.0
 *
 * status_process.c -- the figures of the daemon itself in Prometheus' text form.  [any]  See
 * status.h.
 */
#include "status_internal.h"

#include "metric_text.h"

#include <stdlib.h>

static void put_one(struct text_buffer *out, const char *name, const char *type, const char *help,
                    double value)
{
    metric_put_head(out, name, type, help);
    text_put_string(out, name);
    text_put(out, " ", 1);
    metric_put_real(out, value);
}

void status__process_metrics(const struct status *status, struct text_buffer *out)
{
    struct text_buffer why = {0};

    metric_put_head(out, "leat_build_info", "gauge", "1, with the version as a label.");
    text_print(out, "leat_build_info{version=\"%s\",compiler=\"%s\"} 1\n", LEAT_VERSION,
               status_compiler());
    put_one(out, "leat_ready", "gauge", "1 while /readyz says ok.", status_ready(status, &why));
    free(why.text);
    put_one(out, "leat_memory_limit_bytes", "gauge", "The option memory.",
            (double)status->memory_bytes);
    put_one(out, "leat_config_reload_success", "gauge",
            "0 when the last reload was refused, 1 when it was done or there was none.",
            status->reload.at_us == 0 || status->reload.last_was_good);
    put_one(out, "leat_config_reloads_total", "counter", "Reloads that were done.",
            (double)status->reload.good);
    put_one(out, "leat_config_reloads_refused_total", "counter", "Reloads that were refused.",
            (double)status->reload.bad);
    put_one(out, "leat_control_age_seconds", "gauge", "Since the control thread last went round.",
            (double)status->control_age_ms / 1000);
    put_one(out, "leat_scrape_copy_seconds", "gauge",
            "How long it took to copy the figures of this answer.",
            (double)status->taking_ns / 1e9);
    put_one(out, "process_cpu_seconds_total", "counter", "User and system CPU time.",
            status->cpu_seconds);
    put_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
            (double)status->resident_bytes);
    put_one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
            (double)status->virtual_bytes);
    put_one(out, "process_open_fds", "gauge", "Open file descriptors.", (double)status->open_files);
    put_one(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
            (double)status->max_files);
    put_one(out, "process_threads", "gauge", "Threads.", (double)status->threads);
    metric_put_head(out, "process_start_time_seconds", "gauge", "Start, since 1970-01-01 UTC.");
    text_print(out, "process_start_time_seconds %.3f\n", (double)status->started_us / 1e6);
}

const char *status_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
