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

#include <stdio.h>

struct dead_letter;

enum { DEAD_LETTER_NAME = 63 + 1 + 63 + 8 };

/* [any] The name of its file.  Two pipelines may give one name (a-b and c, a and b-c): then their
 * folders have to differ, which config_alone.c sees to. */
static inline void dead_letter_name(char out[DEAD_LETTER_NAME], const char *pipeline,
                                    const char *sink)
{
    (void)snprintf(out, DEAD_LETTER_NAME, "%.63s-%.63s.ndjson", pipeline, sink);
}

/* What is kept of a record; all borrowed.  The value may be empty where the record could not even be
 * encoded.  Texts may hold anything: what is not UTF-8 is replaced in the line. */
struct dead_record {
    const leat_change *change;
    leat_bytes route, value, reason;
    bool is_json; /* the value is */
};

/* [main] Opens <directory>/<pipeline>-<sink>.ndjson for appending, making the folder if needed. */
struct dead_letter *dead_letter_open(const char *directory, const char *pipeline, const char *sink,
                                     leat_error *error);
void dead_letter_close(struct dead_letter *letter); /* [main] NULL is allowed */

/* [worker] OK: it is durable.  With *error: ERETRY, not now (disk full); EFATAL, the disk did not sync
 * it. */
leat_status dead_letter_write(struct dead_letter *letter, const struct dead_record *record,
                              leat_error *error);

#endif
