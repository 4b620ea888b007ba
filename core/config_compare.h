/* SPDX-License-Identifier: Apache-2.0
 *
 * config_compare.h -- what is different between two configurations.  [main]
 *
 * Compared is what the options have become (defaults, expanded secrets), by the same tables that
 * filled the structs: an option that is added to a table is compared without further words.
 */
#ifndef LEAT_CONFIG_COMPARE_H
#define LEAT_CONFIG_COMPARE_H

#include "config.h"

/* The source, its options, and how batches are made. */
bool config_same_source(const struct config_pipeline *a, const struct config_pipeline *b);

bool config_same_sink(const struct config_sink *a, const struct config_sink *b);

/* The options of the daemon itself that differ and that a running daemon cannot change: their
 * names, comma-separated.  False: there are none. */
bool config_fixed_changes(const struct config *a, const struct config *b, char *names, size_t size);

#endif
