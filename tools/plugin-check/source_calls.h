/* SPDX-License-Identifier: Apache-2.0
 *
 * source_calls.h -- the host's functions for a source.
 */
#ifndef CHECK_SOURCE_CALLS_H
#define CHECK_SOURCE_CALLS_H

#include "source_host.h"

/* [main] Fills host->host; host->extra says how much longer it is to look. */
void source_calls_fill(struct source_host *host);

#endif
