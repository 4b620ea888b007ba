/* SPDX-License-Identifier: Apache-2.0
 *
 * log_level.h -- what log.c asks log_level.c.  [any]
 */
#ifndef LEAT_LOG_LEVEL_H
#define LEAT_LOG_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

/* Is a line of this level written?  Both names may be NULL. */
bool log__is_wanted(const char *pipeline, const char *instance, int32_t level);

#endif
