/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor.h -- what a running daemon says of itself, as findings with advice.  [main]
 *
 * Asks over the admin endpoint and looks at the lock of the state directory; changes nothing.
 */
#ifndef LEAT_DOCTOR_H
#define LEAT_DOCTOR_H

#include "admin_client.h"
#include "finding.h"

/* config: NULL where the file is wrong; then what depends on it is not said. */
void doctor_look(struct findings *findings, const struct admin_client *client,
                 const struct config *config);

#endif
