/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.h -- errors as one clean line of text.  [any]
 *
 * What a server says is hostile: control characters are replaced, lengths bounded, and a message
 * of a class that may quote row data is not passed on at all.
 */
#ifndef LEAT_PGOUTPUT_FAULT_H
#define LEAT_PGOUTPUT_FAULT_H

#include <leat/plugin.h>
#include <libpq-fe.h>

#define FAULT_TEXT 400

/* Fills *error (NULL is allowed) and returns status, so that a caller can return it at once. */
leat_status fault_set(leat_error *error, leat_status status, int exit_code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Copies text into one line: control characters become spaces, runs of them one.  Returns out. */
const char *fault_line(char *out, size_t out_size, const char *text);

/* What a failed result says, and its SQLSTATE; without the text where that may quote a row. */
const char *fault_result(char *out, size_t out_size, const PGresult *result);

/* Advice that `leat check` puts into SQL. */
#define FAULT_NEEDS_REPLICATION "give the role the right to replicate: leat setup prints the SQL"

struct fault_advice {
    int exit_code; /* 77, 78 or 69: for `leat check` */
    const char *text;
};
/* Why a connection failed, and what an operator can do about it. */
struct fault_advice fault_connection(const char *message);

/* LEAT_ECONFIG, with its error, where libpq refused a parameter before it tried any host, so that
 * trying again would say the same for ever; LEAT_OK for every other message. */
leat_status fault_parameter(leat_error *error, const char *message);

/* The SQLSTATE of a result, "" when it has none.  Borrowed from the result. */
const char *fault_sqlstate(const PGresult *result);

#endif
