/* SPDX-License-Identifier: Apache-2.0
 *
 * status_internal.h -- the parts of status_metrics.c in files of their own.  [any]
 */
#ifndef LEAT_STATUS_INTERNAL_H
#define LEAT_STATUS_INTERNAL_H

#include "status.h"

/* True when the core has a metric of this name: a plugin's is left out then. */
bool status__has_metric(const char *name);

/* Those of the daemon itself: status_process.c. */
void status__process_metrics(const struct status *status, struct text_buffer *out);

/* Those that plugins give: status_given.c. */
void status__given_metrics(const struct status *status, struct text_buffer *out);

#endif
