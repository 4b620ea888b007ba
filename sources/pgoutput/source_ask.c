/* SPDX-License-Identifier: Apache-2.0
 *
 * source_ask.c -- CONNECTING and ASKING: a connection, and the questions that come before the
 * stream, one at a time.  [worker]  It never waits but in source_wait.
 */
#include "source_internal.h"
#include "certificate.h"
#include "fault.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 30000
#define TELL_MS 5000       /* then it is said what is waited for          */
#define TELL_MAX_MS 600000 /* and again, after twice as long and at most this */

leat_status source_connect(leat_source *source, leat_error *error)
{
    const char *dsn = connect_dsn(source->host, source->options, source->dsn);
    leat_status status =
        connect_begin(dsn, CONNECT_REPLICATION, source->attempt++, &source->conn, error);
    explicit_bzero(source->dsn, sizeof source->dsn);
    if (status == LEAT_ECONFIG)
        return source_fail(source, error);
    if (status) {
        source_lose(source, "cannot connect", error->text, NULL);
        return LEAT_OK;
    }
    source->events = POLLOUT;
    source->deadline_ns = source_now(source) + source->options->connect_timeout_ms * MS;
    source->state = SOURCE_CONNECTING;
    source_report(source, LEAT_STATE_CONNECTING, NULL);
    return LEAT_OK;
}

leat_status source_ask(leat_source *source, enum question question)
{
    int64_t now = source_now(source);
    source->question = question;
    source->deadline_ns = question == ASK_CREATE ? INT64_MAX : now + ASK_MS * MS;
    source->tell_ns = now + TELL_MS * MS;
    source->state = SOURCE_ASKING;
    uint64_t number =
        question == ASK_HISTORY ? strtoull(source->facts.timeline, NULL, 10) : source->start;
    if (question == ASK_CREATE && source->watch.on)
        watch_ask(&source->watch, source->sql);
    else
        inquiry_ask(question, source->conn, source->options, number, source->sql);
    if (text_broken(source->sql) || !PQsendQuery(source->conn, source->sql->data)) {
        source_lose_connecting(source);
    } else if (question == ASK_CREATE) {
        creation_begin(&source->creation, source->host, source->options, source->conn,
                       options_liveness_ms(source->options) * MS, now);
        source_report(source, LEAT_STATE_CONNECTING, source->creation.why);
    }
    return LEAT_OK;
}

leat_status source_step_connecting(leat_source *source, int32_t max_wait_ms)
{
    if (PQstatus(source->conn) == CONNECTION_BAD) {
        source_lose_connecting(source);
        return LEAT_OK;
    }
    short ready = source_wait(source, PQsocket(source->conn), source->events, source->deadline_ns,
                              max_wait_ms);
    if (!ready) {
        if (source_now(source) >= source->deadline_ns)
            source_lose(source, "cannot connect", "no answer within connect_timeout",
                        "start the server, or correct host and port in dsn");
        return LEAT_OK;
    }
    leat_status status = connect_step(source->conn, &source->events);
    if (status == LEAT_ERETRY)
        source_lose_connecting(source);
    else if (status == LEAT_OK)
        return source_ask(source, ASK_SYSTEM);
    return LEAT_OK;
}

static void say_connected(leat_source *source)
{
    const leat_field fields[] = {
        LEAT_F_STR("host", PQhost(source->conn)),
        LEAT_F_STR("port", PQport(source->conn)),
        LEAT_F_STR("database", source->facts.database),
        LEAT_F_INT("server_version", source->facts.version),
        LEAT_F_STR("tls",
                   PQsslInUse(source->conn) ? PQsslAttribute(source->conn, "protocol") : "no"),
    };
    source_say(source, LEAT_LOG_INFO, "connected", fields, 5);
    certificate_tell(source->host, PQsslStruct(source->conn, "OpenSSL"));
}

static leat_status answer(leat_source *source, const PGresult *result, leat_error *error)
{
    bool read = source->question == ASK_HISTORY
                    ? inquiry_read_history(result, source->memory.timeline, &source->facts)
                    : inquiry_read(source->question, result, &source->facts);
    if (!read) {
        source_lose(source, "cannot begin", "the server's answer has not the expected shape", NULL);
        return LEAT_OK;
    }
    switch (source->question) {
    case ASK_SYSTEM:
        source->stale = false;
        source->facts.has_history = false;
        source->facts.fork_lsn = 0;
        return source_ask(source, ASK_SETTINGS);
    case ASK_SETTINGS:
        say_connected(source);
        return source_ask(source, ASK_PUBLICATIONS);
    case ASK_PUBLICATIONS:
        return source_ask(source, ASK_SLOT);
    case ASK_SLOT:
        return source_weigh(source, error);
    case ASK_HISTORY:
        return source_judge(source, error);
    case ASK_ALTER: {
        const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot)};
        source_say(source, LEAT_LOG_INFO, "made the slot a failover slot", fields, 1);
        source->facts.slot.failover = true;
        return source_ask(source, ASK_START);
    }
    case ASK_CREATE: {
        const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                     LEAT_F_LSN("position", source->facts.slot.confirmed_lsn)};
        source_say(source, LEAT_LOG_INFO, "slot created", fields, 2);
        source->facts.slot.failover = source->options->failover;
        return source_judge(source, error);
    }
    case ASK_START:
        break;
    }
    return LEAT_OK;
}

static leat_status refused(leat_source *source, const PGresult *result, leat_error *error)
{
    char text[FAULT_TEXT];
    const char *state = fault_sqlstate(result);
    (void)fault_result(text, sizeof text, result);
    /* Somebody was quicker, or (PostgreSQL 17) the slot is being synchronised: look again. */
    bool made = strcmp(state, "42710") == 0 && source->question == ASK_CREATE && !source->watch.on;
    if (made || (strcmp(state, "55006") == 0 && source->question != ASK_CREATE)) {
        source->stale |= made;
        source->retry_ns = source_now(source) + source_jitter(source, STANDBY_MS) * MS;
        source->state = SOURCE_STANDBY;
        source_report(source, LEAT_STATE_WAITING, text);
        return LEAT_OK;
    }
    if (source->question == ASK_HISTORY)
        return source_judge(source, error);
    const char *advice = NULL;
    if (strcmp(state, "42501") == 0)
        advice = "give the role the right to replicate: leat setup prints the SQL";
    else if (strcmp(state, "53400") == 0)
        advice = "raise max_replication_slots on the server, which needs a restart, or drop a slot";
    source_lose(source, "cannot begin", text, advice);
    return LEAT_OK;
}

/* ---- waiting for an answer ------------------------------------------------------------------- */

static void tell_creation(leat_source *source, int64_t now)
{
    const struct creation *creation = &source->creation;
    int64_t waited_ns = now - creation->begun_ns;
    const leat_field fields[] = {LEAT_F_STR("slot", source->options->slot),
                                 LEAT_F_STR("reason", creation->why),
                                 LEAT_F_INT("waited_s", waited_ns / (1000 * MS)),
                                 LEAT_F_INT("transaction_s", creation->lasts_s)};
    source_say(source, LEAT_LOG_WARN, "waiting for the slot to be made", fields,
               creation->kind == CREATION_BLOCKED && creation->lasts_s >= 0 ? 4 : 3);
    source->told_kind = creation->kind;
    source->tell_ns = now + (waited_ns < TELL_MAX_MS * MS ? waited_ns : TELL_MAX_MS * MS);
}

/* False: it was given up. */
static bool look_at_creation(leat_source *source, int64_t now)
{
    const struct creation *creation = &source->creation;
    enum creation_news news = creation_step(&source->creation, now);
    if (news == CREATION_LOST) {
        char why[CREATION_WHY + 64];
        (void)snprintf(why, sizeof why, "%s: given up after %lld s", creation->why,
                       (long long)((now - creation->heard_ns) / (1000 * MS)));
        source_lose(source, "cannot begin", why, NULL);
        return false;
    }
    if (news == CREATION_CHANGED)
        source_report(source, LEAT_STATE_CONNECTING, creation->why);
    bool late = now - creation->begun_ns >= TELL_MS * MS;
    if (now >= source->tell_ns || (late && creation->kind != source->told_kind))
        tell_creation(source, now);
    return true;
}

/* False: it was given up. */
static bool look_at_query(leat_source *source, int64_t now)
{
    if (now >= source->deadline_ns) {
        source_lose(source, "cannot begin", "the server did not answer a query in time", NULL);
        return false;
    }
    if (now >= source->tell_ns) {
        static const char text[] = "the server does not answer yet";
        const leat_field fields[] = {LEAT_F_INT("give_up_ms", (source->deadline_ns - now) / MS)};
        source_report(source, LEAT_STATE_CONNECTING, text);
        source_say(source, LEAT_LOG_WARN, text, fields, 1);
        source->tell_ns = INT64_MAX;
    }
    return true;
}

static void wait_for_answer(leat_source *source, bool unsent, int32_t max_wait_ms)
{
    PGconn *conn = source->conn;
    int64_t now = source_now(source);
    if (source->question == ASK_CREATE ? !look_at_creation(source, now)
                                       : !look_at_query(source, now))
        return;
    int64_t until_ns =
        source->tell_ns < source->deadline_ns ? source->tell_ns : source->deadline_ns;
    if (source_wait(source, PQsocket(conn), (short)(POLLIN | (unsent ? POLLOUT : 0)), until_ns,
                    max_wait_ms) &&
        !PQconsumeInput(conn))
        source_lose_connecting(source);
}

leat_status source_step_asking(leat_source *source, int32_t max_wait_ms, leat_error *error)
{
    PGconn *conn = source->conn;
    int unsent = PQflush(conn);
    if (unsent < 0) {
        source_lose_connecting(source);
        return LEAT_OK;
    }
    if (connect_take(conn, &source->reply) == LEAT_AGAIN) {
        wait_for_answer(source, unsent > 0, max_wait_ms);
        return LEAT_OK;
    }
    creation_end(&source->creation);
    PGresult *result = source->reply;
    source->reply = NULL;
    leat_status status = LEAT_OK;
    ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_COPY_BOTH && source->question == ASK_START) {
        source_begin_streaming(source);
    } else {
        bool answered =
            kind == PGRES_TUPLES_OK || (kind == PGRES_COMMAND_OK && source->question == ASK_ALTER);
        status = answered ? answer(source, result, error) : refused(source, result, error);
    }
    PQclear(result);
    return status;
}
