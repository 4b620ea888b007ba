/* SPDX-License-Identifier: Apache-2.0
 *
 * status_line.h -- the whole daemon in one line, for `systemctl status`.  [main]
 */
#ifndef LEAT_STATUS_LINE_H
#define LEAT_STATUS_LINE_H

#include "registry.h"

/* False: no memory. */
bool status_line(struct registry *registry, char *out, size_t size);

#endif
