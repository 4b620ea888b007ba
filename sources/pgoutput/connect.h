/* SPDX-License-Identifier: Apache-2.0
 *
 * connect.h -- connections to PostgreSQL, made by libpq without blocking.
 *
 * The dsn is the user's; what the stream's meaning rests on (time zone, date style, encoding and so
 * on) is set over it.  The dsn, which may hold a password, is never part of a message.
 */
#ifndef LEAT_PGOUTPUT_CONNECT_H
#define LEAT_PGOUTPUT_CONNECT_H

#include "pgoutput_options.h"

#include <libpq-fe.h>

enum connect_kind {
    CONNECT_REPLICATION, /* a walsender of the database: replication commands and SQL */
    CONNECT_PLAIN        /* an ordinary session, for the catalogue                     */
};

#define CONNECT_DSN_MAX 8192

/* [any] The dsn as it is now: ${file:} in it is read anew where the host can.  host may be NULL. */
const char *connect_dsn(const leat_host *host, const struct pgoutput_options *options,
                        char out[CONNECT_DSN_MAX]);

/* [any] Starts to connect.  `turn` rotates a dsn's list of hosts, so that one which never answers
 * does not hide those behind it.  On OK *out is owned by the caller (PQfinish), and to be driven by
 * connect_step.  ECONFIG: the dsn cannot be read. */
leat_status connect_begin(const char *dsn, enum connect_kind kind, unsigned turn, PGconn **out,
                          leat_error *error);

/* [main] Whether libpq takes the values of a dsn that can be read, without reaching for any server:
 * libpq says so only when it begins to connect, so it is given places where there is none.  OK, or
 * ECONFIG. */
leat_status connect_judge(const char *dsn, leat_error *error);

/* A server that was reached, so that a second connection finds the same one, without asking the
 * name service again (which would block). */
struct connect_place {
    char host[256], address[64], port[16]; /* address "": host is a folder, or its only name */
};

/* [any] Where a connection that stands leads to. */
void connect_place_of(const PGconn *conn, struct connect_place *out);

/* [any] connect_begin, to this server of those that the dsn names, whatever it takes (reads or
 * writes). */
leat_status connect_begin_at(const char *dsn, enum connect_kind kind,
                             const struct connect_place *place, PGconn **out, leat_error *error);

/* [any] Once the socket is ready for *events (in: what poll(2) said; out: what to wait for).
 * OK: connected.  AGAIN: wait.  ERETRY: failed, see PQerrorMessage. */
leat_status connect_step(PGconn *conn, short *events);

/* [any] Both of the above, waiting until a CLOCK_MONOTONIC deadline.  ERETRY with the reason. */
leat_status connect_wait(const char *dsn, enum connect_kind kind, int64_t deadline_ns, PGconn **out,
                         leat_error *error);

/* [any] One statement with text parameters, waiting until the deadline.  On OK *out is owned by the
 * caller (PQclear) and holds tuples or a finished command.  ERETRY: no answer, the connection is of
 * no use any more.  EREJECT: the server refused; *error says why. */
leat_status connect_query(PGconn *conn, const char *sql, const char *const *values, int value_count,
                          int64_t deadline_ns, PGresult **out, leat_error *error);

/* [any] Takes what has come of an answer, without waiting for more of it.  OK: *held is all of it
 * (NULL: there was none), owned by the caller.  AGAIN: not all of it has come; *held is kept for the
 * next call, NULL at the first.  One that copies has no end: it is OK as soon as it begins. */
leat_status connect_take(PGconn *conn, PGresult **held);

/* [any] CLOCK_MONOTONIC. */
int64_t connect_now_ns(void);

/* [any] What a dsn (or libpq's environment) says of one keyword; malloc'ed, NULL when nothing. */
char *connect_keyword(const char *dsn, const char *keyword);

#endif
