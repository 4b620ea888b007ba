/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h -- `leat check` for this source: looks at everything, changes nothing.  [main]
 */
#ifndef LEAT_PGOUTPUT_CHECK_H
#define LEAT_PGOUTPUT_CHECK_H

#include <leat/plugin.h>

void check_run(const void *config, leat_check *check);

#endif
