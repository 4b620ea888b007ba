/* SPDX-License-Identifier: Apache-2.0
 *
 * slot_create.h -- makes the slot for `leat slot create`, and says what that waits for.  [main]
 */
#ifndef LEAT_PGOUTPUT_SLOT_CREATE_H
#define LEAT_PGOUTPUT_SLOT_CREATE_H

#include "inquiry.h"

/* Waits as long as the server works at it, for ten minutes at most; what it waits for is said on the
 * standard error.  OK: facts->slot is it.  ERETRY: no answer.  EREJECT: the server refused. */
leat_status slot_create(PGconn *conn, const struct pgoutput_options *options,
                        struct origin_facts *facts, leat_error *error);

#endif
