/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin_metrics.h -- the figures that a plugin's instance gives: the extension "leat.metrics/1".
 *
 * The instance's worker declares and sets, any thread may set, any thread reads.  Bounded, and
 * without a lock: an entry is complete before the count that covers it is stored (release).  The
 * texts are the plugin's own, static; no plugin is ever unloaded.
 */
#ifndef LEAT_PLUGIN_METRICS_H
#define LEAT_PLUGIN_METRICS_H

#include <leat/plugin.h>

#include <stdatomic.h>

#define PLUGIN_METRICS_MAX 64u

struct plugin_metric {
    uint32_t kind;                   /* LEAT_METRIC_... */
    const char *name, *help;         /* name without the prefix leat_sink_ or leat_source_ */
    const char *label, *label_value; /* NULL: none */
    _Atomic uint64_t bits;           /* of the double */
    atomic_bool set;                 /* a metric that was never set is not shown */
};

struct plugin_metrics {
    _Atomic uint32_t count;
    struct plugin_metric items[PLUGIN_METRICS_MAX];
};

/* [worker] As leat_metrics.declare. */
int32_t plugin_metrics_declare(struct plugin_metrics *metrics, uint32_t kind, const char *name,
                               const char *label, const char *label_value, const char *help);

/* [any] As leat_metrics.set. */
void plugin_metrics_set(struct plugin_metrics *metrics, int32_t number, double value);

/* What a reader takes away. */
struct plugin_metric_copy {
    uint32_t kind;
    const char *name, *help, *label, *label_value; /* static */
    double value;
};

/* [any] Those that were set; out has room for PLUGIN_METRICS_MAX. */
uint32_t plugin_metrics_read(struct plugin_metrics *metrics, struct plugin_metric_copy *out);

/* The value of one without a label; 0: it was not set. */
double plugin_metrics_value(const struct plugin_metric_copy *metrics, uint32_t count,
                            const char *name);

/* [any] The same, of the instance itself. */
double plugin_metrics_current(struct plugin_metrics *metrics, const char *name);

#endif
