/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_calls.h -- the host's functions for a sink.
 */
#ifndef CHECK_SINK_CALLS_H
#define CHECK_SINK_CALLS_H

#include "sink_host.h"

/* [main] Fills host->host; host->extra says how much longer it is to look. */
void sink_calls_fill(struct sink_host *host);

#endif
