/* SPDX-License-Identifier: Apache-2.0
 *
 * metric_text.h -- lines of Prometheus' text form, put together without printf where there are
 * many. [any]
 */
#ifndef LEAT_METRIC_TEXT_H
#define LEAT_METRIC_TEXT_H

#include "histogram.h"
#include "text_buffer.h"

/* The inside of the braces: pipeline="p" and maybe sink="s".  Names of the configuration are of
 * a-z, 0-9, _ and -: nothing to escape. */
struct metric_labels {
    char text[192];
    size_t length;
};

/* sink: NULL for what is of the pipeline as a whole. */
struct metric_labels metric_labels(const char *pipeline, const char *sink);

/* The two lines before a family's first sample. */
void metric_put_head(struct text_buffer *out, const char *name, const char *type, const char *help);

/* NAME SUFFIX {LABELS MORE}, and the space before the value; more begins with a comma, or is "". */
void metric_put_name(struct text_buffer *out, const char *name, const char *suffix,
                     const struct metric_labels *labels, const char *more);

/* The value, and the end of the line. */
void metric_put_uint(struct text_buffer *out, uint64_t value);
void metric_put_real(struct text_buffer *out, double value);

/* Every bucket, the sum and the count. */
void metric_put_histogram(struct text_buffer *out, const char *name,
                          const struct metric_labels *labels,
                          const struct histogram_copy *histogram);

#endif
