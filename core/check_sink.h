/* SPDX-License-Identifier: Apache-2.0
 *
 * check_sink.h -- what `leat check` does with one sink.  [main]
 */
#ifndef LEAT_CHECK_SINK_H
#define LEAT_CHECK_SINK_H

#include <leat/plugin.h>

struct config_sink;

/* Runs the plugin's check, unless offline, and where that finds no error its create, which finds
 * what only the plugin can judge.  Findings go to check->report; deadline_ms is for both together.
 * What may end or hang is in a process of its own: the check of an isolated sink, and any create.  */
void check_sink(const char *pipeline, const struct config_sink *sink, leat_check *check,
                bool offline);

#endif
