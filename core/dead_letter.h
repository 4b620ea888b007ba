/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letter.h -- a file for records that a sink will never take.  [worker]
 *
 * One line a record: why, which sink, the identity, the route, the record as it was encoded (as JSON
 * where it is JSON, else in base64).  A line is durable (fdatasync) before the record counts as
 * delivered.  A record that comes again because nothing was confirmed since is not kept twice.
 */
#ifndef LEAT_DEAD_LETTER_H
#define LEAT_DEAD_LETTER_H

#include <leat/plugin.h>

struct dead_letter;

/* [main] Opens <directory>/<pipeline>-<sink>.ndjson for appending, making the folder if needed. */
struct dead_letter *dead_letter_open(const char *directory, const char *pipeline, const char *sink,
                                     leat_error *error);
void dead_letter_close(struct dead_letter *letter); /* [main] NULL is allowed */

/* [worker] OK: it is durable.  ERETRY with *error: not now (disk full).  The value may be empty
 * where the record could not even be encoded. */
leat_status dead_letter_write(struct dead_letter *letter, const leat_change *change,
                              leat_bytes route, leat_bytes value, bool is_json, leat_bytes reason,
                              leat_error *error);

#endif
