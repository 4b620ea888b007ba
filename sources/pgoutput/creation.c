/* SPDX-License-Identifier: Apache-2.0
 *
 * creation.c -- a slot that is being made, looked at from outside.  [any]  Never waits, never logs.
 */
#include "creation.h"
#include "fault.h"
#include "inquiry.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define FIRST_MS 500    /* most slots are made by then                 */
#define REST_MS 5000    /* between two looks                           */
#define KEPT_MS 1000    /* for a look, over a connection that was kept */
#define LOOK_MS 10000   /* over a new one                              */
#define PATIENT_MS 2000 /* then the server is silent                   */
#define LIMIT_MS 5000   /* at least: a look takes time                 */

#define ONCE "the slot is made once the transactions that run now have ended"

/* One row.  All of it is open to every role, but for the age of another role's transaction; 0 stands
 * for a prepared one, which no process has. */
static const char look_sql[] =
    "SELECT coalesce(s.active_pid = %d AND s.confirmed_flush_lsn IS NULL, false), b.pid,"
    " to_char(x.began, 'YYYY-MM-DD HH24:MI:SS'),"
    " extract(epoch FROM clock_timestamp() - x.began)::int8"
    " FROM (VALUES (1)) v LEFT JOIN pg_replication_slots s ON s.slot_name = ";

static const char look_joins_sql[] =
    " LEFT JOIN LATERAL unnest(pg_blocking_pids(s.active_pid)) b (pid) ON true"
    " LEFT JOIN LATERAL (SELECT CASE b.pid WHEN 0"
    "  THEN (SELECT min(p.prepared) FROM pg_prepared_xacts p)"
    "  ELSE (SELECT a.xact_start FROM pg_stat_activity a WHERE a.pid = b.pid) END) x (began)"
    "  ON true ORDER BY x.began LIMIT 1";

/* ---- what is known --------------------------------------------------------------------------- */

static void learn(struct creation *creation, enum creation_kind kind, const char *detail)
{
    static const char *const texts[] = {
        [CREATION_WAITS] = ONCE,
        [CREATION_BLOCKED] = ONCE "; now it waits for ",
        [CREATION_UNKNOWN] = ONCE "; which these are cannot be asked: ",
        [CREATION_SILENT] = "the server was asked to make the slot, and does not answer",
        [CREATION_FORGOTTEN] =
            "the server answers, but nothing is heard of the connection that makes the slot",
    };
    creation->kind = kind;
    (void)snprintf(creation->why, sizeof creation->why, "%s%s", texts[kind], detail);
}

static void hear(struct creation *creation, int64_t now_ns)
{
    creation->heard_ns = now_ns;
    creation->asked_ns = 0;
}

static void learn_blocker(struct creation *creation, const PGresult *result)
{
    char detail[128], since[40] = "";
    long pid = strtol(PQgetvalue(result, 0, 1), NULL, 10);
    if (!PQgetisnull(result, 0, 2)) {
        char began[24];
        (void)snprintf(since, sizeof since, ", begun %s UTC",
                       fault_line(began, sizeof began, PQgetvalue(result, 0, 2)));
        creation->lasts_s = strtoll(PQgetvalue(result, 0, 3), NULL, 10);
    }
    if (pid == 0)
        (void)snprintf(detail, sizeof detail, "a prepared transaction%s", since);
    else
        (void)snprintf(detail, sizeof detail, "that of PID %ld%s", pid, since);
    learn(creation, CREATION_BLOCKED, detail);
}

/* ---- one look -------------------------------------------------------------------------------- */

static void hang_up(struct creation *creation)
{
    PQclear(creation->reply);
    creation->reply = NULL;
    PQfinish(creation->conn);
    creation->conn = NULL;
}

static void rest(struct creation *creation, int64_t now_ns)
{
    int64_t rest_ns = REST_MS * MS;
    if (rest_ns > creation->limit_ns / 3)
        rest_ns = creation->limit_ns / 3;
    creation->look_ns = now_ns + rest_ns;
    creation->state = CREATION_RESTS;
}

/* A server that refuses is one that lives. */
static void refused(struct creation *creation, const char *why, int64_t now_ns)
{
    char detail[256];
    hear(creation, now_ns);
    learn(creation, CREATION_UNKNOWN, fault_line(detail, sizeof detail, why));
    hang_up(creation);
    rest(creation, now_ns);
}

/* A connection that was kept may have ended long ago: a new one says more. */
static void lose(struct creation *creation, int64_t now_ns)
{
    hang_up(creation);
    creation->look_ns = now_ns + FIRST_MS * MS;
    creation->state = CREATION_RESTS;
}

static void ask(struct creation *creation, int64_t now_ns)
{
    text_reset(creation->sql);
    text_addf(creation->sql, look_sql, creation->maker);
    inquiry_quote_sql(creation->sql, creation->options->slot, '\'');
    text_add(creation->sql, look_joins_sql);
    creation->state = CREATION_LOOKS;
    if (text_broken(creation->sql) || !PQsendQuery(creation->conn, creation->sql->data))
        lose(creation, now_ns);
}

static void look(struct creation *creation, int64_t now_ns)
{
    leat_error error = {.size = sizeof error};
    if (!creation->asked_ns)
        creation->asked_ns = now_ns;
    creation->kept = creation->conn && PQstatus(creation->conn) == CONNECTION_OK;
    creation->deadline_ns = now_ns + (creation->kept ? KEPT_MS : LOOK_MS) * MS;
    if (creation->kept) {
        ask(creation, now_ns);
        return;
    }
    hang_up(creation);
    leat_status status =
        connect_begin_at(connect_dsn(creation->host, creation->options, creation->dsn),
                         CONNECT_PLAIN, &creation->place, &creation->conn, &error);
    explicit_bzero(creation->dsn, sizeof creation->dsn);
    creation->events = POLLOUT;
    creation->state = CREATION_CONNECTS;
    if (status)
        refused(creation, error.text, now_ns);
    else if (PQstatus(creation->conn) == CONNECTION_BAD)
        refused(creation, PQerrorMessage(creation->conn), now_ns);
}

static void step_connecting(struct creation *creation, int64_t now_ns)
{
    struct pollfd fd = {.fd = PQsocket(creation->conn), .events = creation->events};
    leat_status status = LEAT_AGAIN;
    if (poll(&fd, 1, 0) > 0)
        status = connect_step(creation->conn, &creation->events);
    if (status == LEAT_OK)
        ask(creation, now_ns);
    else if (status == LEAT_ERETRY)
        refused(creation, PQerrorMessage(creation->conn), now_ns);
}

static void judge(struct creation *creation, const PGresult *result, int64_t now_ns)
{
    char text[FAULT_TEXT];
    creation->lasts_s = -1;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 ||
        PQnfields(result) != 4) {
        refused(creation,
                PQresultStatus(result) == PGRES_TUPLES_OK
                    ? "the server's answer has not the expected shape"
                    : fault_result(text, sizeof text, result),
                now_ns);
        return;
    }
    rest(creation, now_ns);
    creation->asked_ns = 0;
    if (PQgetvalue(result, 0, 0)[0] != 't') {
        learn(creation, CREATION_FORGOTTEN, "");
        return;
    }
    hear(creation, now_ns);
    if (PQgetisnull(result, 0, 1))
        learn(creation, CREATION_WAITS, "");
    else
        learn_blocker(creation, result);
}

static void step_looking(struct creation *creation, int64_t now_ns)
{
    if (PQflush(creation->conn) < 0 || !PQconsumeInput(creation->conn)) {
        lose(creation, now_ns);
        return;
    }
    if (connect_take(creation->conn, &creation->reply) == LEAT_AGAIN)
        return;
    PGresult *result = creation->reply;
    creation->reply = NULL;
    judge(creation, result, now_ns);
    PQclear(result);
}

/* ---- from outside ---------------------------------------------------------------------------- */

void creation_begin(struct creation *creation, const leat_host *host,
                    const struct pgoutput_options *options, const PGconn *maker, int64_t limit_ns,
                    int64_t now_ns)
{
    creation_end(creation);
    creation->host = host;
    creation->options = options;
    connect_place_of(maker, &creation->place);
    creation->maker = PQbackendPID(maker);
    creation->sql = text_create();
    creation->begun_ns = creation->heard_ns = now_ns;
    creation->limit_ns = limit_ns > LIMIT_MS * MS ? limit_ns : LIMIT_MS * MS;
    creation->look_ns = now_ns + FIRST_MS * MS;
    creation->lasts_s = -1;
    creation->state = CREATION_RESTS;
    learn(creation, CREATION_WAITS, "");
}

void creation_end(struct creation *creation)
{
    hang_up(creation);
    text_destroy(creation->sql);
    *creation = (struct creation){0};
}

/* The connection may be dead, and the server not. */
static void give_up_look(struct creation *creation, int64_t now_ns)
{
    hang_up(creation);
    if (creation->kept)
        look(creation, now_ns);
    else
        rest(creation, now_ns);
}

/* Only what was asked and not answered counts: we may have stood still ourselves. */
static bool in_doubt(const struct creation *creation)
{
    return creation->kind == CREATION_SILENT || creation->kind == CREATION_FORGOTTEN;
}

enum creation_news creation_step(struct creation *creation, int64_t now_ns)
{
    char before[CREATION_WHY];
    memcpy(before, creation->why, sizeof before);
    if (creation->state == CREATION_CONNECTS)
        step_connecting(creation, now_ns);
    else if (creation->state == CREATION_LOOKS)
        step_looking(creation, now_ns);
    else if (creation->state == CREATION_RESTS && now_ns >= creation->look_ns)
        look(creation, now_ns);
    if (creation->state > CREATION_RESTS && now_ns >= creation->deadline_ns)
        give_up_look(creation, now_ns);
    if (creation->asked_ns && now_ns - creation->asked_ns >= PATIENT_MS * MS)
        learn(creation, CREATION_SILENT, "");
    if (in_doubt(creation) && now_ns - creation->heard_ns >= creation->limit_ns)
        return CREATION_LOST;
    return strcmp(before, creation->why) == 0 ? CREATION_SAME : CREATION_CHANGED;
}

int creation_wait(const struct creation *creation, short *events, int64_t *until_ns)
{
    *until_ns = INT64_MAX;
    if (creation->state == CREATION_NONE)
        return -1;
    bool looks = creation->state > CREATION_RESTS;
    const int64_t times[] = {
        looks ? creation->deadline_ns : creation->look_ns,
        in_doubt(creation) ? creation->heard_ns + creation->limit_ns : INT64_MAX,
        looks && creation->kind != CREATION_SILENT ? creation->asked_ns + PATIENT_MS * MS
                                                   : INT64_MAX,
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] < *until_ns)
            *until_ns = times[i];
    *events = creation->state == CREATION_CONNECTS ? creation->events : POLLIN;
    return looks ? PQsocket(creation->conn) : -1;
}
