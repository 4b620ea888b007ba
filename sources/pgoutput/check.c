/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check` for this source: looks at everything, changes nothing.  [main]
 *
 * One step a topic; a step that cannot ask reports that and ends the run, a step that finds
 * something wrong reports it with what mends it, and the next one runs.
 */
#include "check.h"
#include "check_run.h"
#include "connect.h"
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 9500

void check_report(const struct check_run *run, int32_t severity, int32_t exit_code, const char *fix,
                  const char *format, ...)
{
    char raw[LEAT_ERROR_TEXT], text[LEAT_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    run->check->report(run->check, severity, exit_code, fault_line(text, sizeof text, raw), fix);
}

PGresult *check_query(const struct check_run *run, int columns)
{
    leat_error error = {.size = sizeof error};
    PGresult *result;
    if (text_broken(run->sql)) {
        check_report(run, LEAT_FINDING_ERROR, 70, NULL, "no memory for a question");
        return NULL;
    }
    if (connect_query(run->conn, run->sql->data, NULL, 0, run->deadline_ns, &result, &error) ==
        LEAT_OK) {
        if (PQnfields(result) >= columns)
            return result;
        PQclear(result);
        check_report(run, LEAT_FINDING_ERROR, 69, NULL,
                     "the server's answer has not the expected shape");
        return NULL;
    }
    check_report(run, LEAT_FINDING_ERROR, 69, NULL, "the server refuses a question: %s",
                 error.text);
    return NULL;
}

static bool ask(struct check_run *run, enum question question)
{
    inquiry_ask(question, run->conn, run->options, 0, run->sql);
    PGresult *result = check_query(run, 0); /* its reader knows */
    bool ok = result && inquiry_read(question, result, &run->facts);
    if (result && !ok)
        check_report(run, LEAT_FINDING_ERROR, 69, NULL,
                     "the server's answer has not the expected shape");
    PQclear(result);
    return ok;
}

/* ---- the server and the role ----------------------------------------------------------------- */

/* The SQL that lets the dsn's role replicate. */
static const char *replication_right(struct check_run *run)
{
    PQconninfoOption *options = PQconninfoParse(run->options->dsn, NULL);
    const char *user = NULL;
    for (PQconninfoOption *option = options; option && option->keyword; option++)
        if (strcmp(option->keyword, "user") == 0)
            user = option->val;
    text_reset(run->fix);
    if (user && *user) {
        text_add(run->fix, "ALTER ROLE ");
        inquiry_quote_name(run->fix, user);
        text_add(run->fix, " REPLICATION;");
    } else {
        text_add(run->fix, FAULT_NEEDS_REPLICATION);
    }
    PQconninfoFree(options);
    return run->fix->data;
}

static bool open_connection(struct check_run *run, enum connect_kind kind, const char *what)
{
    leat_error error = {.size = sizeof error};
    leat_status status =
        connect_wait(run->options->dsn, kind, run->deadline_ns, &run->conn, &error);
    if (status == LEAT_OK) {
        check_report(run, LEAT_FINDING_OK, 0, NULL, "%s: connected to %s port %s", what,
                     PQhost(run->conn), PQport(run->conn));
        return true;
    }
    struct fault_advice advice = fault_connection(error.text);
    const char *fix = advice.text;
    if (fix && strcmp(fix, FAULT_NEEDS_REPLICATION) == 0)
        fix = replication_right(run);
    check_report(run, LEAT_FINDING_ERROR, status == LEAT_ECONFIG ? 78 : advice.exit_code,
                 status == LEAT_ECONFIG ? NULL : fix, "%s: %s", what, error.text);
    return false;
}

static void check_server(struct check_run *run)
{
    const struct origin_facts *facts = &run->facts;
    if (facts->version < 140000)
        check_report(run, LEAT_FINDING_ERROR, 78, "upgrade the server to PostgreSQL 14 or newer",
                     "the server is PostgreSQL %d", facts->version / 10000);
    else
        check_report(run, LEAT_FINDING_OK, 0, NULL, "server: PostgreSQL %d.%d, database %s",
                     facts->version / 10000, facts->version % 100, facts->database);
    if (!facts->wal_logical)
        check_report(run, LEAT_FINDING_ERROR, 78,
                     "ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
                     "wal_level is not logical");
    if (facts->in_recovery && facts->version < 160000)
        check_report(run, LEAT_FINDING_ERROR, 78, "name the primary in dsn",
                     "the server is a standby: before PostgreSQL 16 it cannot decode");
    else if (facts->in_recovery)
        check_report(
            run, LEAT_FINDING_NOTE, 0,
            "set hot_standby_feedback = on there, and run SELECT pg_log_standby_snapshot() on the "
            "primary when the slot is made",
            "the server is a standby: it can decode, but its slot does not survive a conflict "
            "with recovery, ends with a promotion, and takes no heartbeat");
    if (run->options->failover && facts->version < 170000)
        check_report(run, LEAT_FINDING_ERROR, 78, "take failover: true away, or upgrade the server",
                     "failover: true needs PostgreSQL 17, the server is %d",
                     facts->version / 10000);
    const char *encoding = PQparameterStatus(run->conn, "server_encoding");
    if (encoding && strcmp(encoding, "SQL_ASCII") == 0)
        check_report(
            run, LEAT_FINDING_WARNING, 0,
            "write nothing but UTF-8 there, or move to a database whose encoding is known",
            "the database's encoding is SQL_ASCII: it takes any bytes, and a row with text "
            "that is not UTF-8 ends the stream for good");
    if (facts->wal_sender_timeout_ms == 0)
        check_report(
            run, LEAT_FINDING_WARNING, 0, "ALTER SYSTEM SET wal_sender_timeout = '60s';",
            "wal_sender_timeout is 0: the server sends a sixth slower, and never misses a dead "
            "client");
}

static void check_room(struct check_run *run)
{
    static const struct {
        const char *setting, *used;
    } rows[] = {{"max_replication_slots", "SELECT count(*) FROM pg_replication_slots"},
                {"max_wal_senders", "SELECT count(*) FROM pg_stat_replication"}};
    for (size_t i = 0; i < 2; i++) {
        /* Our own walsender is counted among the second, and the slot, where it exists, among the
         * first: so "all in use" is no error of itself. */
        text_reset(run->sql);
        text_addf(run->sql, "SELECT current_setting('%s'), (%s)", rows[i].setting, rows[i].used);
        PGresult *result = check_query(run, 2);
        if (!result || PQntuples(result) != 1) {
            PQclear(result);
            return;
        }
        int limit = atoi(PQgetvalue(result, 0, 0)), used = atoi(PQgetvalue(result, 0, 1));
        bool full = used >= limit && (i == 1 ? used > limit : !run->facts.slot.exists);
        text_reset(run->fix);
        text_addf(run->fix, "ALTER SYSTEM SET %s = %d; and restart the server", rows[i].setting,
                  limit + 10);
        check_report(run, full ? LEAT_FINDING_ERROR : LEAT_FINDING_OK, full ? 73 : 0,
                     full ? run->fix->data : NULL, "%s: %d of %d in use", rows[i].setting, used,
                     limit);
        PQclear(result);
    }
}

static void check_role(struct check_run *run)
{
    text_reset(run->sql);
    text_add(run->sql, "SELECT rolname, rolsuper, rolreplication FROM pg_roles"
                       " WHERE rolname = current_user");
    PGresult *result = check_query(run, 3);
    if (result && PQntuples(result) == 1) {
        bool super = PQgetvalue(result, 0, 1)[0] == 't';
        check_report(
            run, super ? LEAT_FINDING_NOTE : LEAT_FINDING_OK, 0,
            super ? "use a role with LOGIN REPLICATION and nothing more: leat setup prints it"
                  : NULL,
            "role %s: %s", PQgetvalue(result, 0, 0),
            super ? "a superuser, which is more than needed" : "may replicate");
    }
    PQclear(result);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void check_stream(struct check_run *run)
{
    if (!ask(run, ASK_SYSTEM) || !ask(run, ASK_SETTINGS))
        return;
    check_server(run);
    if (run->facts.version < 140000 || !ask(run, ASK_PUBLICATIONS) || !ask(run, ASK_SLOT))
        return;
    check_history(run);
    check_room(run);
    check_role(run);
    check_slot(run);
    check_publications(run);
    check_tables(run);
}

void check_run(const void *config, leat_check *check)
{
    struct check_run *run = calloc(1, sizeof *run);
    leat_error error = {.size = sizeof error};
    if (!run)
        return;
    run->check = check;
    run->options = config;
    int64_t limit_ms =
        check->deadline_ms > 0 && check->deadline_ms < LIMIT_MS ? check->deadline_ms : LIMIT_MS;
    run->deadline_ns = connect_now_ns() + limit_ms * 1000000;
    run->sql = text_create();
    run->fix = text_create();
    if (options_check(run->options, &error)) {
        check_report(run, LEAT_FINDING_ERROR, 78, NULL, "%s", error.text);
    } else if (open_connection(run, CONNECT_REPLICATION, "replication connection")) {
        check_stream(run);
        PQfinish(run->conn);
        if (open_connection(run, CONNECT_PLAIN, "catalogue connection"))
            PQfinish(run->conn);
    }
    text_destroy(run->fix);
    text_destroy(run->sql);
    free(run);
}
