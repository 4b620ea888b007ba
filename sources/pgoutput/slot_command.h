/* SPDX-License-Identifier: Apache-2.0
 *
 * slot_command.h -- `leat slot create|drop|show` for this source.  [main]
 */
#ifndef LEAT_PGOUTPUT_SLOT_COMMAND_H
#define LEAT_PGOUTPUT_SLOT_COMMAND_H

#include <leat/plugin.h>

leat_status slot_command(const void *config, const char *verb, leat_output *output,
                         leat_error *error);

#endif
