/* SPDX-License-Identifier: Apache-2.0
 *
 * setup.h -- `leat setup` for this source: the SQL that an administrator runs.  [main]
 */
#ifndef LEAT_PGOUTPUT_SETUP_H
#define LEAT_PGOUTPUT_SETUP_H

#include <leat/plugin.h>

/* Connects to nothing. */
leat_status setup_print(const void *config, leat_output *output, leat_error *error);

#endif
