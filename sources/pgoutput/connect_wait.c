/* SPDX-License-Identifier: Apache-2.0
 *
 * connect_wait.c -- connections and answers that are waited for, until a deadline: for the commands
 * and the catalogue.  [any]  Never logs.  Only connect_take, which waits for nothing, is for a
 * thread that has other things to do.
 */
#include "connect.h"
#include "fault.h"

#include <errno.h>
#include <poll.h>

#define MS INT64_C(1000000)

/* False at the deadline. */
static bool ready(PGconn *conn, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - connect_now_ns();
        if (left_ns <= 0)
            return false;
        struct pollfd fd = {.fd = PQsocket(conn), .events = events};
        int left_ms = left_ns / MS > 60000 ? 60000 : (int)(left_ns / MS) + 1;
        int answer = poll(&fd, 1, left_ms);
        if (answer > 0)
            return true;
        if (answer < 0 && errno != EINTR)
            return false;
    }
}

leat_status connect_wait(const char *dsn, enum connect_kind kind, int64_t deadline_ns, PGconn **out,
                         leat_error *error)
{
    char text[FAULT_TEXT];
    short events = POLLOUT;
    leat_status status = connect_begin(dsn, kind, 0, out, error);
    if (status)
        return status;
    do {
        status = LEAT_ERETRY;
        if (PQstatus(*out) == CONNECTION_BAD)
            break;
        if (!ready(*out, events, deadline_ns)) {
            PQfinish(*out);
            *out = NULL;
            return fault_set(error, LEAT_ERETRY, 0, "the server does not answer");
        }
        status = connect_step(*out, &events);
    } while (status == LEAT_AGAIN);
    if (status) {
        (void)fault_set(error, LEAT_ERETRY, 0, "%s",
                        fault_line(text, sizeof text, PQerrorMessage(*out)));
        PQfinish(*out);
        *out = NULL;
    }
    return status;
}

/* Waits until a result can be taken without blocking.  False: no more of this connection. */
static bool answered(PGconn *conn, int64_t deadline_ns)
{
    for (;;) {
        int unsent = PQflush(conn);
        if (unsent < 0)
            return false;
        if (!PQisBusy(conn))
            return true;
        if (!ready(conn, (short)(POLLIN | (unsent ? POLLOUT : 0)), deadline_ns) ||
            !PQconsumeInput(conn))
            return false;
    }
}

static bool copies(const PGresult *result)
{
    ExecStatusType kind = PQresultStatus(result);
    return kind == PGRES_COPY_BOTH || kind == PGRES_COPY_OUT || kind == PGRES_COPY_IN;
}

/* A result may come without its end, which PQgetResult would wait for as long as it takes. */
leat_status connect_take(PGconn *conn, PGresult **held)
{
    while (!PQisBusy(conn)) {
        PGresult *next = PQgetResult(conn);
        if (!next)
            return LEAT_OK;
        PQclear(*held);
        *held = next;
        if (copies(next))
            return LEAT_OK;
    }
    return LEAT_AGAIN;
}

leat_status connect_query(PGconn *conn, const char *sql, const char *const *values, int value_count,
                          int64_t deadline_ns, PGresult **out, leat_error *error)
{
    char text[FAULT_TEXT];
    *out = NULL;
    int sent = value_count ? PQsendQueryParams(conn, sql, value_count, NULL, values, NULL, NULL, 0)
                           : PQsendQuery(conn, sql);
    if (!sent)
        return fault_set(error, LEAT_ERETRY, 0, "%s",
                         fault_line(text, sizeof text, PQerrorMessage(conn)));
    do {
        if (!answered(conn, deadline_ns)) {
            PQclear(*out);
            *out = NULL;
            return fault_set(error, LEAT_ERETRY, 0, "the server did not answer a query in time");
        }
    } while (connect_take(conn, out) == LEAT_AGAIN);
    ExecStatusType kind = PQresultStatus(*out);
    if (*out && (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK))
        return LEAT_OK;
    bool gone = PQstatus(conn) == CONNECTION_BAD;
    (void)fault_set(error, gone ? LEAT_ERETRY : LEAT_EREJECT, 0, "%s",
                    fault_result(text, sizeof text, *out));
    PQclear(*out);
    *out = NULL;
    return gone ? LEAT_ERETRY : LEAT_EREJECT;
}
