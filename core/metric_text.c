/* SPDX-License-Identifier: Apache-2.0
 *
 * metric_text.c -- see metric_text.h.
 */
#include "metric_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct metric_labels metric_labels(const char *pipeline, const char *sink)
{
    struct metric_labels labels;
    int length = sink ? snprintf(labels.text, sizeof labels.text, "pipeline=\"%s\",sink=\"%s\"",
                                 pipeline, sink)
                      : snprintf(labels.text, sizeof labels.text, "pipeline=\"%s\"", pipeline);

    labels.length = length > 0 && (size_t)length < sizeof labels.text ? (size_t)length : 0;
    return labels;
}

void metric_put_uint(struct text_buffer *out, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;

    digits[--at] = '\n';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_put(out, digits + at, sizeof digits - at);
}

void metric_put_real(struct text_buffer *out, double value)
{
    char text[40];

    if (isnan(value))
        text_put_string(out, "NaN\n");
    else if (isinf(value))
        text_put_string(out, value > 0 ? "+Inf\n" : "-Inf\n");
    else
        text_put(out, text, (size_t)snprintf(text, sizeof text, "%.12g\n", value));
}

void metric_put_name(struct text_buffer *out, const char *name, const char *suffix,
                     const struct metric_labels *labels, const char *more)
{
    text_put_string(out, name);
    text_put_string(out, suffix);
    text_put(out, "{", 1);
    text_put(out, labels->text, labels->length);
    text_put_string(out, more);
    text_put(out, "} ", 2);
}

void metric_put_head(struct text_buffer *out, const char *name, const char *type, const char *help)
{
    text_print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *bound_label(uint32_t bucket, char *text, size_t size)
{
    if (bucket == HISTOGRAM_BOUNDS)
        return ",le=\"+Inf\"";
    (void)snprintf(text, size, ",le=\"%g\"", (double)histogram_bounds_us[bucket] / 1e6);
    return text;
}

void metric_put_histogram(struct text_buffer *out, const char *name,
                          const struct metric_labels *labels,
                          const struct histogram_copy *histogram)
{
    uint64_t count = 0;
    char bound[48];

    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->buckets[i];
        metric_put_name(out, name, "_bucket", labels, bound_label(i, bound, sizeof bound));
        metric_put_uint(out, count);
    }
    metric_put_name(out, name, "_sum", labels, "");
    metric_put_real(out, (double)histogram->sum_us / 1e6);
    metric_put_name(out, name, "_count", labels, "");
    metric_put_uint(out, count);
}
