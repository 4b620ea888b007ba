/* SPDX-License-Identifier: Apache-2.0
 *
 * check.c -- `leat check` for this source: looks at everything, changes nothing.  [main]
 *
 * One step a topic; a step that cannot ask reports that and ends the run, a step that finds
 * something wrong reports it with what mends it, and the next one runs.
 */
#include "check.h"
#include "connect.h"
#include "fault.h"
#include "guard_rules.h"
#include "slot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MS 9500

struct run {
    leat_check *check;
    const struct pgoutput_options *options;
    PGconn *conn;
    int64_t deadline_ns;
    struct origin_facts facts;
    struct text *sql, *fix;
    char names[2048]; /* the publications as a list of SQL strings */
};

static void report(const struct run *run, int32_t severity, int32_t exit_code, const char *fix,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(const struct run *run, int32_t severity, int32_t exit_code, const char *fix,
                   const char *format, ...)
{
    char raw[LEAT_ERROR_TEXT], text[LEAT_ERROR_TEXT];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    run->check->report(run->check, severity, exit_code, fault_line(text, sizeof text, raw), fix);
}

/* What run->sql asks: rows of that many columns.  NULL: reported. */
static PGresult *query(const struct run *run, int columns)
{
    leat_error error = {.size = sizeof error};
    PGresult *result;
    if (text_broken(run->sql))
        return NULL;
    if (connect_query(run->conn, run->sql->data, NULL, 0, run->deadline_ns, &result, &error) ==
        LEAT_OK) {
        if (PQnfields(result) >= columns)
            return result;
        PQclear(result);
        report(run, LEAT_FINDING_ERROR, 69, NULL, "the server's answer has not the expected shape");
        return NULL;
    }
    report(run, LEAT_FINDING_ERROR, 69, NULL, "the server refuses a question: %s", error.text);
    return NULL;
}

static bool ask(struct run *run, enum question question)
{
    inquiry_ask(question, run->conn, run->options, 0, run->sql);
    PGresult *result = query(run, 0); /* its reader knows */
    bool ok = result && inquiry_read(question, result, &run->facts);
    if (result && !ok)
        report(run, LEAT_FINDING_ERROR, 69, NULL, "the server's answer has not the expected shape");
    PQclear(result);
    return ok;
}

/* ---- the server and the role ----------------------------------------------------------------- */

/* The SQL that lets the dsn's role replicate. */
static const char *replication_right(struct run *run)
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

static bool open_connection(struct run *run, enum connect_kind kind, const char *what)
{
    leat_error error = {.size = sizeof error};
    leat_status status =
        connect_wait(run->options->dsn, kind, run->deadline_ns, &run->conn, &error);
    if (status == LEAT_OK) {
        report(run, LEAT_FINDING_OK, 0, NULL, "%s: connected to %s port %s", what,
               PQhost(run->conn), PQport(run->conn));
        return true;
    }
    struct fault_advice advice = fault_connection(error.text);
    const char *fix = advice.text;
    if (fix && strcmp(fix, FAULT_NEEDS_REPLICATION) == 0)
        fix = replication_right(run);
    report(run, LEAT_FINDING_ERROR, status == LEAT_ECONFIG ? 78 : advice.exit_code,
           status == LEAT_ECONFIG ? NULL : fix, "%s: %s", what, error.text);
    return false;
}

static void check_server(struct run *run)
{
    const struct origin_facts *facts = &run->facts;
    if (facts->version < 140000)
        report(run, LEAT_FINDING_ERROR, 78, "upgrade the server to PostgreSQL 14 or newer",
               "the server is PostgreSQL %d", facts->version / 10000);
    else
        report(run, LEAT_FINDING_OK, 0, NULL, "server: PostgreSQL %d.%d, database %s",
               facts->version / 10000, facts->version % 100, facts->database);
    if (!facts->wal_logical)
        report(run, LEAT_FINDING_ERROR, 78,
               "ALTER SYSTEM SET wal_level = 'logical'; and restart the server",
               "wal_level is not logical");
    if (facts->in_recovery && facts->version < 160000)
        report(run, LEAT_FINDING_ERROR, 78, "name the primary in dsn",
               "the server is a standby: before PostgreSQL 16 it cannot decode");
    else if (facts->in_recovery)
        report(
            run, LEAT_FINDING_NOTE, 0,
            "set hot_standby_feedback = on there, and run SELECT pg_log_standby_snapshot() on the "
            "primary when the slot is made",
            "the server is a standby: it can decode, but its slot does not survive a conflict "
            "with recovery, ends with a promotion, and takes no heartbeat");
    if (run->options->failover && facts->version < 170000)
        report(run, LEAT_FINDING_ERROR, 78, "take failover: true away, or upgrade the server",
               "failover: true needs PostgreSQL 17, the server is %d", facts->version / 10000);
    if (facts->wal_sender_timeout_ms == 0)
        report(run, LEAT_FINDING_WARNING, 0, "ALTER SYSTEM SET wal_sender_timeout = '60s';",
               "wal_sender_timeout is 0: the server sends a sixth slower, and never misses a dead "
               "client");
}

static void check_room(struct run *run)
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
        PGresult *result = query(run, 2);
        if (!result || PQntuples(result) != 1) {
            PQclear(result);
            return;
        }
        int limit = atoi(PQgetvalue(result, 0, 0)), used = atoi(PQgetvalue(result, 0, 1));
        bool full = used >= limit && (i == 1 ? used > limit : !run->facts.slot.exists);
        text_reset(run->fix);
        text_addf(run->fix, "ALTER SYSTEM SET %s = %d; and restart the server", rows[i].setting,
                  limit + 10);
        report(run, full ? LEAT_FINDING_ERROR : LEAT_FINDING_OK, full ? 73 : 0,
               full ? run->fix->data : NULL, "%s: %d of %d in use", rows[i].setting, used, limit);
        PQclear(result);
    }
}

static void check_role(struct run *run)
{
    text_reset(run->sql);
    text_add(run->sql, "SELECT rolname, rolsuper, rolreplication FROM pg_roles"
                       " WHERE rolname = current_user");
    PGresult *result = query(run, 3);
    if (result && PQntuples(result) == 1) {
        bool super = PQgetvalue(result, 0, 1)[0] == 't';
        report(run, super ? LEAT_FINDING_NOTE : LEAT_FINDING_OK, 0,
               super ? "use a role with LOGIN REPLICATION and nothing more: leat setup prints it"
                     : NULL,
               "role %s: %s", PQgetvalue(result, 0, 0),
               super ? "a superuser, which is more than needed" : "may replicate");
    }
    PQclear(result);
}

/* ---- the slot -------------------------------------------------------------------------------- */

/* What earlier runs have recorded.  A daemon that reads from the slot is ahead of that by now. */
static struct slot_memory recall(struct run *run)
{
    struct slot_memory memory = {0};
    leat_error error = {.size = sizeof error};
    if (LEAT_HAS(run->check, leat_check, known) && run->check->known &&
        slot_recall(&memory, run->check->known, &error))
        report(run, LEAT_FINDING_ERROR, error.exit_code, NULL, "%s", error.text);
    if (run->facts.slot.active)
        memory.position = 0;
    return memory;
}

/* What the guard would say, and what it cannot see. */
static void check_guard(struct run *run)
{
    const struct slot_facts *slot = &run->facts.slot;
    enum guard_level level = guard_level(run->options, slot, GUARD_OK);
    int64_t used = guard_used_percent(slot);
    if (level != GUARD_OK)
        report(run, LEAT_FINDING_WARNING, 0, "run leat, or raise max_slot_wal_keep_size",
               "slot %s: its level is %s: %lld bytes of WAL are kept for it (wal_status %s)",
               run->options->slot, guard_level_word(level), (long long)slot->retained_bytes,
               slot->wal_status);
    if (used >= 0)
        report(run, LEAT_FINDING_OK, 0, NULL,
               "max_slot_wal_keep_size: %lld %% used up, the slot is lost after %lld more bytes of "
               "WAL",
               (long long)used, (long long)slot->safe_size_bytes);
    else
        report(run, LEAT_FINDING_NOTE, 0,
               "ALTER SYSTEM SET max_slot_wal_keep_size = '...'; if the server is worth more than "
               "the stream",
               "max_slot_wal_keep_size has no limit: a slot that nobody reads fills the disk");
    if (run->options->failover && !slot->failover)
        report(run, LEAT_FINDING_NOTE, 0, NULL,
               "slot %s is no failover slot yet: the next leat run makes it one",
               run->options->slot);
    if (slot->failover)
        report(
            run, LEAT_FINDING_OK, 0, NULL,
            "slot %s is a failover slot: a standby needs sync_replication_slots, "
            "hot_standby_feedback, primary_slot_name and a dbname in primary_conninfo, the primary "
            "that slot in synchronized_standby_slots",
            run->options->slot);
}

static void check_slot(struct run *run)
{
    const struct slot_facts *slot = &run->facts.slot;
    const struct pgoutput_options *options = run->options;
    leat_error error = {.size = sizeof error};
    const struct slot_memory memory = recall(run);
    if (!slot->exists && memory.position == 0) {
        report(run, options->create_slot ? LEAT_FINDING_NOTE : LEAT_FINDING_ERROR,
               options->create_slot ? 0 : 78, "leat slot create", "slot %s does not exist%s",
               options->slot,
               options->create_slot ? ": the very first leat run creates it"
                                    : " and create_slot is off");
        return;
    }
    /* The same rules as at a start, without what only a start knows. */
    struct origin_facts facts = run->facts;
    facts.publication_missing = false;
    facts.wal_logical = true;
    uint64_t start;
    enum slot_verdict verdict = slot_judge(options, &facts, &memory, &start, &error);
    if (verdict == SLOT_REFUSE || verdict == SLOT_PROVE) {
        report(run, LEAT_FINDING_ERROR, error.exit_code, NULL, "%s", error.text);
        return;
    }
    char confirmed[WAL_TEXT];
    report(run, LEAT_FINDING_OK, 0, NULL, "slot %s: confirmed %s, %lld bytes of WAL kept, %s",
           options->slot, wal_print(slot->confirmed_lsn, confirmed),
           (long long)slot->retained_bytes, slot->wal_status);
    if (slot->active)
        report(run, LEAT_FINDING_NOTE, 0, NULL,
               "slot %s is in use by process %lld (%s): leat run would wait", options->slot,
               (long long)slot->active_pid,
               slot->reader_is_us ? "a daemon of this configuration"
               : *slot->reader    ? slot->reader
                                  : "unknown");
    if (strcmp(slot->wal_status, "unreserved") == 0)
        report(run, LEAT_FINDING_WARNING, 0, "run leat, or raise max_slot_wal_keep_size",
               "slot %s is about to be lost: the next checkpoint may remove its WAL",
               options->slot);
    check_guard(run);
}

/* ---- publications and tables ----------------------------------------------------------------- */

static void list_names(struct run *run)
{
    text_reset(run->fix);
    for (size_t i = 0; i < run->options->publication.count; i++) {
        if (i)
            text_add_char(run->fix, ',');
        inquiry_quote_sql(run->fix, run->options->publication.items[i], '\'');
    }
    (void)snprintf(run->names, sizeof run->names, "%s",
                   run->fix->len < sizeof run->names ? run->fix->data : "NULL");
}

static void check_publications(struct run *run)
{
    if (run->facts.publication_missing) {
        text_reset(run->fix);
        text_add(run->fix, "CREATE PUBLICATION ");
        inquiry_quote_name(run->fix, run->facts.missing_publication);
        text_add(run->fix, " FOR ALL TABLES;");
        report(run, LEAT_FINDING_ERROR, 78, run->fix->data, "publication %s does not exist",
               run->facts.missing_publication);
    }
    list_names(run);
    text_reset(run->sql);
    text_addf(run->sql,
              "SELECT p.pubname, (SELECT count(*) FROM pg_publication_tables t"
              " WHERE t.pubname = p.pubname), p.puballtables FROM pg_publication p"
              " WHERE p.pubname::text IN (%s) ORDER BY 1",
              run->names);
    PGresult *result = query(run, 3);
    for (int row = 0; result && row < PQntuples(result); row++) {
        bool empty = strcmp(PQgetvalue(result, row, 1), "0") == 0;
        report(run, empty ? LEAT_FINDING_WARNING : LEAT_FINDING_OK, 0,
               empty ? "ALTER PUBLICATION ... ADD TABLE ...;" : NULL, "publication %s: %s tables%s",
               PQgetvalue(result, row, 0), PQgetvalue(result, row, 1),
               PQgetvalue(result, row, 2)[0] == 't' ? " (all there are and will be)" : "");
    }
    PQclear(result);
}

/* A table each row: name, and what is to be said of it.  The fix has the table's name in it. */
static void check_tables(struct run *run, int32_t severity, const char *where, const char *fix,
                         const char *text)
{
    text_reset(run->sql);
    text_addf(run->sql,
              "SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname) FROM pg_publication_tables t"
              " JOIN pg_publication p ON p.pubname = t.pubname"
              " JOIN pg_namespace n ON n.nspname = t.schemaname"
              " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename"
              " WHERE t.pubname::text IN (%s) AND %s ORDER BY 1 LIMIT 100",
              run->names, where);
    PGresult *result = query(run, 1);
    for (int row = 0; result && row < PQntuples(result); row++) {
        text_reset(run->fix);
        if (fix)
            text_addf(run->fix, "ALTER TABLE %s %s;", PQgetvalue(result, row, 0), fix);
        report(run, severity, 0, fix ? run->fix->data : NULL, "table %s: %s",
               PQgetvalue(result, row, 0), text);
    }
    PQclear(result);
}

#define KEY_INDEX                                                                                  \
    "SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (c.relreplident = 'd' AND i.indisprimary" \
    " OR c.relreplident = 'i' AND i.indisreplident)"

static void check_all_tables(struct run *run)
{
    check_tables(run, LEAT_FINDING_WARNING,
                 "c.relreplident <> 'f' AND (p.pubupdate OR p.pubdelete) AND NOT EXISTS (" KEY_INDEX
                 ")",
                 "REPLICA IDENTITY FULL",
                 "no replica identity: PostgreSQL refuses its updates and deletes while it is "
                 "published (a primary key would be better)");
    check_tables(
        run, LEAT_FINDING_NOTE,
        "c.relreplident = 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"
        " AND i.indisprimary)",
        NULL, "REPLICA IDENTITY FULL and no primary key: its records have no key");
    /* What no client can mend. */
    check_tables(run, LEAT_FINDING_NOTE, "c.relkind = 'p' AND p.pubviaroot AND p.pubtruncate", NULL,
                 "published via its root: a TRUNCATE of one of its partitions is not sent at all");
    check_tables(run, LEAT_FINDING_WARNING,
                 "c.relkind = 'p' AND p.pubviaroot AND c.relreplident = 'f' AND EXISTS (SELECT FROM"
                 " pg_partition_tree(c.oid) l JOIN pg_class k ON k.oid = l.relid WHERE l.isleaf AND"
                 " k.relreplident <> 'f')",
                 "REPLICA IDENTITY DEFAULT",
                 "REPLICA IDENTITY FULL over partitions without it: the other columns of old rows "
                 "are falsely null, so `before` is left out (or set FULL on each partition)");
    check_tables(run, LEAT_FINDING_WARNING,
                 "EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND"
                 " a.attnum = ANY (i.indkey) AND a.attgenerated <> '' WHERE i.indrelid = c.oid AND"
                 " (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND"
                 " i.indisreplident))",
                 "REPLICA IDENTITY FULL", "its key has a generated column, which is never sent");
}

/* Only where the server is on another timeline than the recorded one: the verdict on it is the
 * slot's. */
static void ask_history(struct run *run)
{
    leat_error error = {.size = sizeof error};
    const struct slot_memory memory = recall(run);
    uint64_t timeline = strtoull(run->facts.timeline, NULL, 10);
    PGresult *result;
    if (!slot_timeline_changed(&memory, &run->facts) || timeline < 2)
        return;
    inquiry_ask(ASK_HISTORY, run->conn, run->options, timeline, run->sql);
    if (connect_query(run->conn, run->sql->data, NULL, 0, run->deadline_ns, &result, &error))
        return;
    (void)inquiry_read_history(result, memory.timeline, &run->facts);
    PQclear(result);
}

static void check_stream(struct run *run)
{
    if (!ask(run, ASK_SYSTEM) || !ask(run, ASK_SETTINGS))
        return;
    check_server(run);
    if (run->facts.version < 140000 || !ask(run, ASK_PUBLICATIONS) || !ask(run, ASK_SLOT))
        return;
    ask_history(run);
    check_room(run);
    check_role(run);
    check_slot(run);
    check_publications(run);
    check_all_tables(run);
}

void check_run(const void *config, leat_check *check)
{
    struct run *run = calloc(1, sizeof *run);
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
        report(run, LEAT_FINDING_ERROR, 78, NULL, "%s", error.text);
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
