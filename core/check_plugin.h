/* SPDX-License-Identifier: Apache-2.0
 *
 * check_plugin.h -- what `leat check` does with one source or sink.  [main]
 *
 * It runs the plugin's check, unless offline, and where that finds no error its create, which finds
 * what only the plugin can judge and does no I/O.  Findings go to check->report; deadline_ms is for
 * both together.  What may end or hang is in a process of its own: the check of an isolated sink, and
 * any create.
 */
#ifndef LEAT_CHECK_PLUGIN_H
#define LEAT_CHECK_PLUGIN_H

#include <leat/plugin.h>

struct config_pipeline;
struct config_sink;

void check_source(const struct config_pipeline *pipeline, leat_check *check, bool offline);
void check_sink(const char *pipeline, const struct config_sink *sink, leat_check *check,
                bool offline);

#endif
