/* SPDX-License-Identifier: Apache-2.0
 *
 * log_metrics.h -- lines of figures in the log, for who has no Prometheus.  [main]
 */
#ifndef LEAT_LOG_METRICS_H
#define LEAT_LOG_METRICS_H

#include "registry.h"

struct log_metrics {
    int64_t next_ns; /* 0: not begun */
};

/* Once a turn of the control thread: every log.metrics a line for each pipeline and each sink. */
void log_metrics_tick(struct log_metrics *metrics, struct registry *registry);

#endif
