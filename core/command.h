/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h -- commands of the configuration, run beside the streams: the extension leat.command/1.
 *
 * Each running command has a thread of its own that waits for it, kills its process group when it
 * takes too long, reaps it, and logs how it ended.  At most one at a time for each pipeline, and
 * COMMANDS_MAX for all.
 */
#ifndef LEAT_COMMAND_H
#define LEAT_COMMAND_H

#include <leat/plugin.h>

#define COMMANDS_MAX 16

extern const leat_commands commands_for_plugins;

/* [main] At the daemon's end: what still runs has this long, then it is killed.  Returns when
 * nothing runs. */
void commands_finish(int64_t limit_ms);

#endif
