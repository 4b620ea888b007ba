/* SPDX-License-Identifier: Apache-2.0
 *
 * config_log.h -- the words for log levels, and which components have one of their own.  [any]
 */
#ifndef LEAT_CONFIG_LOG_H
#define LEAT_CONFIG_LOG_H

#include "config.h"

#include <stdbool.h>

extern const char *const config_log_words[]; /* by LEAT_LOG_..., NULL behind the last */

/* -1: no such word. */
int config_log_level(const char *word);

/* "core" (what concerns no pipeline's source or sink), "source", the name of a sink, or
 * "PIPELINE/source" and "PIPELINE/SINK". */
bool config_log_is_component(const struct config *config, const char *name);

#endif
