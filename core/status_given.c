/* SPDX-License-Identifier: Apache-2.0
 *
 * status_given.c -- the figures that plugins give of themselves, in Prometheus' text form.  See
 * plugin_metrics.h.
 */
#include "metric_text.h"
#include "status.h"
#include "status_internal.h"

#include <stdio.h>
#include <string.h>

/* One instance's figures, with where they come from. */
struct given {
    const char *prefix, *pipeline, *sink;
    const struct plugin_metric_copy *metrics;
    uint32_t count;
};

typedef void given_fn(void *context, const struct given *given);

static void each_given(const struct status *status, given_fn *call, void *context)
{
    for (size_t i = 0; i < status->pipeline_count; i++) {
        const struct status_pipeline *pipeline = &status->pipelines[i];
        struct given source = {"leat_source_", pipeline->name, NULL, pipeline->metrics,
                               pipeline->metric_count};
        call(context, &source);
        for (size_t s = 0; s < pipeline->sink_count; s++) {
            struct given sink = {"leat_sink_", pipeline->name, pipeline->sinks[s].name,
                                 pipeline->sinks[s].metrics, pipeline->sinks[s].metric_count};
            call(context, &sink);
        }
    }
}

/* A family's lines stand together, so each family is looked for in every instance. */
struct search {
    struct text_buffer *out;
    const struct status *status;
    const struct plugin_metric_copy *family;
    const char *prefix;
    bool found_before; /* by the instance that is asked, or an earlier one */
    const struct given *asker;
    uint32_t asker_index;
};

static void find_before(void *context, const struct given *given)
{
    struct search *search = context;

    if (strcmp(given->prefix, search->prefix) != 0)
        return;
    for (uint32_t i = 0; i < given->count && !search->found_before; i++) {
        bool later = given->metrics > search->asker->metrics ||
                     (given->metrics == search->asker->metrics && i >= search->asker_index);
        search->found_before = !later && strcmp(given->metrics[i].name, search->family->name) == 0;
    }
}

static void put_given(void *context, const struct given *given)
{
    struct search *search = context;
    struct metric_labels labels = metric_labels(given->pipeline, given->sink);
    char more[512], name[128];

    if (strcmp(given->prefix, search->prefix) != 0)
        return;
    (void)snprintf(name, sizeof name, "%s%s", given->prefix, search->family->name);
    for (uint32_t i = 0; i < given->count; i++) {
        const struct plugin_metric_copy *metric = &given->metrics[i];
        more[0] = '\0';
        if (strcmp(metric->name, search->family->name) != 0)
            continue;
        if (metric->label)
            (void)snprintf(more, sizeof more, ",%s=\"%s\"", metric->label, metric->label_value);
        metric_put_name(search->out, name, "", &labels, more);
        metric_put_real(search->out, metric->value);
    }
}

static void put_families(void *context, const struct given *given)
{
    struct search *search = context;
    char name[128];

    for (uint32_t i = 0; i < given->count; i++) {
        const struct plugin_metric_copy *metric = &given->metrics[i];
        (void)snprintf(name, sizeof name, "%s%s", given->prefix, metric->name);
        if (status__has_metric(name))
            continue;
        search->family = metric;
        search->prefix = given->prefix;
        search->asker = given;
        search->asker_index = i;
        search->found_before = false;
        each_given(search->status, find_before, search);
        if (search->found_before)
            continue;
        metric_put_head(search->out, name,
                        metric->kind == LEAT_METRIC_COUNTER ? "counter" : "gauge", metric->help);
        each_given(search->status, put_given, search);
    }
}

void status__given_metrics(const struct status *status, struct text_buffer *out)
{
    struct search search = {.out = out, .status = status};

    each_given(status, put_families, &search);
}
