/* SPDX-License-Identifier: Apache-2.0
 *
 * status_internal.h -- what status_metrics.c and status_given.c share.  [any]
 */
#ifndef LEAT_STATUS_INTERNAL_H
#define LEAT_STATUS_INTERNAL_H

#include "status.h"

/* True when the core has a metric of this name: a plugin's is left out then. */
bool status__has_metric(const char *name);

void status__given_metrics(const struct status *status, struct text_buffer *out);

#endif
