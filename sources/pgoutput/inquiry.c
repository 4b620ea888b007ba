/* SPDX-License-Identifier: Apache-2.0
 *
 * inquiry.c -- what is asked of the server before a stream begins, and what it answered.  [any]
 * Never waits, never judges.
 */
#include "inquiry.h"
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void inquiry_quote_sql(struct text *out, const char *text, char quote)
{
    /* Doubling is enough inside '...' as long as there is no backslash, whatever the setting of
     * standard_conforming_strings; with one, E'...' says what is meant. */
    bool escape = quote == '\'' && strchr(text, '\\');
    if (escape)
        text_add_char(out, 'E');
    text_add_char(out, quote);
    for (; *text; text++) {
        if (*text == quote || (escape && *text == '\\'))
            text_add_char(out, *text);
        text_add_char(out, *text);
    }
    text_add_char(out, quote);
}

void inquiry_quote_name(struct text *out, const char *name)
{
    inquiry_quote_sql(out, name, '"');
}

/* A list of quoted identifiers (SplitIdentifierString) inside a string of the replication grammar,
 * where only the quote is special. */
void inquiry_quote_publications(struct text *out, leat_strings names)
{
    text_add_char(out, '\'');
    for (size_t i = 0; i < names.count; i++) {
        text_add(out, i ? ",\"" : "\"");
        for (const char *c = names.items[i]; *c; c++) {
            if (*c == '"' || *c == '\'')
                text_add_char(out, *c);
            text_add_char(out, *c);
        }
        text_add_char(out, '"');
    }
    text_add_char(out, '\'');
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The start-up packet has set the session already; libpq's environment (PGTZ, PGDATESTYLE) comes
 * behind it there, so it is set once more. */
static const char settings_sql[] =
    "SELECT current_setting('server_version_num'), current_setting('wal_level'),"
    " (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'),"
    " pg_is_in_recovery(),"
    " set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),"
    " set_config('IntervalStyle', 'postgres', false), set_config('extra_float_digits', '1', false),"
    " set_config('bytea_output', 'hex', false), set_config('lc_monetary', 'C', false),"
    " set_config('search_path', 'pg_catalog', false),"
    /* A walsender that waits before it makes a slot notices so that we have gone, and makes none.
     * Servers elsewhere may refuse it.  It begins with the next statement of SQL. */
    " (SELECT set_config(name, '2s', false) FROM pg_settings WHERE"
    "  name = 'client_connection_check_interval' AND setting = '0' AND version() ~ 'linux')";

/* One row, whether there is a slot or not.  to_jsonb: columns that later versions added, NULL
 * before.  All of it is open to every role, but for the name of another role's session. */
static const char slot_sql[] =
    "SELECT s.plugin, s.slot_type, s.database, s.temporary, s.active, s.active_pid, s.wal_status,"
    " coalesce(to_jsonb(s)->>'invalidation_reason', CASE to_jsonb(s)->>'conflicting' WHEN 'true'"
    "  THEN 'conflict with recovery' END), s.restart_lsn, s.confirmed_flush_lsn, s.safe_wal_size,"
    " pg_wal_lsn_diff(w.lsn, s.restart_lsn)::int8, w.lsn, pg_is_in_recovery(),"
    " (SELECT CASE WHEN setting::int8 < 0 THEN -1 ELSE setting::int8 * 1048576 END"
    "  FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),"
    " a.application_name, a.usename = current_user AND a.application_name ="
    "  current_setting('application_name'),"
    " has_function_privilege('pg_ls_waldir()', 'execute'), to_jsonb(s)->>'failover',"
    " to_jsonb(s)->>'synced', t.spill_txns, t.spill_count, t.spill_bytes, t.stream_txns,"
    " t.stream_count, t.stream_bytes, t.total_txns, t.total_bytes, s.two_phase"
    " FROM (SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(),"
    "  pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END AS lsn) w"
    " LEFT JOIN pg_replication_slots s ON s.slot_name = ";

static const char slot_joins_sql[] =
    " LEFT JOIN pg_stat_replication_slots t ON t.slot_name = s.slot_name"
    " LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid";

static void ask_publications(const struct pgoutput_options *options, struct text *out)
{
    text_add(out, "SELECT n FROM unnest(ARRAY[");
    for (size_t i = 0; i < options->publication.count; i++) {
        if (i)
            text_add_char(out, ',');
        inquiry_quote_sql(out, options->publication.items[i], '\'');
    }
    text_add(out, "]::text[]) n WHERE NOT EXISTS (SELECT FROM pg_publication p"
                  " WHERE p.pubname::text = n) LIMIT 1");
}

static void ask_start(const struct pgoutput_options *options, uint64_t start, struct text *out)
{
    char position[WAL_TEXT];
    text_add(out, "START_REPLICATION SLOT ");
    inquiry_quote_name(out, options->slot);
    text_addf(out, " LOGICAL %s (proto_version '1', publication_names ",
              wal_print(start, position));
    inquiry_quote_publications(out, options->publication);
    text_add(out, ", messages 'true')");
}

void inquiry_ask(enum question question, PGconn *conn, const struct pgoutput_options *options,
                 uint64_t number, struct text *out)
{
    (void)conn;
    text_reset(out);
    switch (question) {
    case ASK_SYSTEM:
        text_add(out, "IDENTIFY_SYSTEM");
        break;
    case ASK_SETTINGS:
        text_add(out, settings_sql);
        break;
    case ASK_PUBLICATIONS:
        ask_publications(options, out);
        break;
    case ASK_SLOT:
        text_add(out, slot_sql);
        inquiry_quote_sql(out, options->slot, '\'');
        text_add(out, slot_joins_sql);
        break;
    case ASK_HISTORY:
        text_addf(out, "TIMELINE_HISTORY %llu", (unsigned long long)number);
        break;
    case ASK_CREATE:
        text_add(out, "CREATE_REPLICATION_SLOT ");
        inquiry_quote_name(out, options->slot);
        /* The older spelling: 14 knows no other, and 15 to 18 take it. */
        text_add(out, options->failover ? " LOGICAL pgoutput (SNAPSHOT 'nothing', FAILOVER true)"
                                        : " LOGICAL pgoutput NOEXPORT_SNAPSHOT");
        break;
    case ASK_ALTER:
        text_add(out, "ALTER_REPLICATION_SLOT ");
        inquiry_quote_name(out, options->slot);
        text_add(out, " (FAILOVER true)");
        break;
    case ASK_START:
        ask_start(options, number, out);
        break;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void copy(char *out, size_t out_size, const PGresult *result, int column)
{
    (void)snprintf(out, out_size, "%s", PQgetvalue(result, 0, column));
}

static bool number(const PGresult *result, int column, int64_t *out)
{
    const char *text = PQgetvalue(result, 0, column);
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return false;
    *out = value;
    return true;
}

static bool truth(const PGresult *result, int column)
{
    return PQgetvalue(result, 0, column)[0] == 't';
}

static bool read_system(const PGresult *result, struct origin_facts *facts)
{
    if (PQntuples(result) != 1 || PQnfields(result) < 4)
        return false;
    copy(facts->system_identifier, sizeof facts->system_identifier, result, 0);
    copy(facts->timeline, sizeof facts->timeline, result, 1);
    copy(facts->database, sizeof facts->database, result, 3);
    return wal_parse(PQgetvalue(result, 0, 2), &facts->wal_position);
}

static bool read_settings(const PGresult *result, struct origin_facts *facts)
{
    int64_t version;
    if (PQntuples(result) != 1 || PQnfields(result) < 4 || !number(result, 0, &version))
        return false;
    facts->version = (int)version;
    facts->wal_logical = strcmp(PQgetvalue(result, 0, 1), "logical") == 0;
    facts->in_recovery = truth(result, 3);
    return number(result, 2, &facts->wal_sender_timeout_ms);
}

static bool read_publications(const PGresult *result, struct origin_facts *facts)
{
    if (PQnfields(result) < 1)
        return false;
    facts->publication_missing = PQntuples(result) > 0;
    if (facts->publication_missing)
        copy(facts->missing_publication, sizeof facts->missing_publication, result, 0);
    return true;
}

static void read_statistics(const PGresult *result, int column, struct slot_statistics *out)
{
    int64_t *const numbers[] = {
        &out->spill_transactions,  &out->spill_count,  &out->spill_bytes,
        &out->stream_transactions, &out->stream_count, &out->stream_bytes,
        &out->total_transactions,  &out->total_bytes,
    };
    for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++)
        (void)number(result, column + i, numbers[i]);
}

static bool read_slot(const PGresult *result, struct slot_facts *slot)
{
    *slot = (struct slot_facts){.keep_size_bytes = -1};
    if (PQntuples(result) != 1 || PQnfields(result) != 29)
        return false;
    (void)wal_parse(PQgetvalue(result, 0, 12), &slot->wal_lsn);
    slot->in_recovery = truth(result, 13);
    (void)number(result, 14, &slot->keep_size_bytes);
    slot->may_list_wal = truth(result, 17);
    if (PQgetisnull(result, 0, 1))
        return true;
    slot->exists = true;
    copy(slot->plugin, sizeof slot->plugin, result, 0);
    copy(slot->type, sizeof slot->type, result, 1);
    copy(slot->database, sizeof slot->database, result, 2);
    slot->temporary = truth(result, 3);
    slot->active = truth(result, 4);
    (void)number(result, 5, &slot->active_pid);
    copy(slot->wal_status, sizeof slot->wal_status, result, 6);
    copy(slot->invalidation, sizeof slot->invalidation, result, 7);
    (void)wal_parse(PQgetvalue(result, 0, 8), &slot->restart_lsn);
    (void)wal_parse(PQgetvalue(result, 0, 9), &slot->confirmed_lsn);
    slot->has_safe_size = number(result, 10, &slot->safe_size_bytes);
    (void)number(result, 11, &slot->retained_bytes);
    (void)fault_line(slot->reader, sizeof slot->reader, PQgetvalue(result, 0, 15));
    slot->reader_is_us = truth(result, 16);
    slot->failover = truth(result, 18);
    slot->synced = truth(result, 19);
    read_statistics(result, 20, &slot->statistics);
    slot->two_phase = truth(result, 28);
    return true;
}

/* A line for each ancestor: its number, a tab, where it was left, a tab, why.  Comments begin with
 * a #.  (PostgreSQL manual, Continuous Archiving, Timelines.) */
bool inquiry_read_history(const PGresult *result, const char *from, struct origin_facts *facts)
{
    facts->has_history = PQntuples(result) == 1 && PQnfields(result) == 2;
    facts->fork_lsn = 0;
    if (!facts->has_history)
        return false;
    size_t length = strlen(from);
    for (const char *line = PQgetvalue(result, 0, 1); line && *line; line = strchr(line, '\n')) {
        char lsn[WAL_TEXT];
        line += *line == '\n';
        if (!length || strncmp(line, from, length) != 0 || line[length] != '\t')
            continue;
        line += length + 1;
        (void)snprintf(lsn, sizeof lsn, "%.*s", (int)strcspn(line, "\t\n "), line);
        if (!wal_parse(lsn, &facts->fork_lsn))
            return false;
    }
    return true;
}

/* slot_name, consistent_point, snapshot_name, output_plugin */
static bool read_created(const PGresult *result, struct origin_facts *facts)
{
    if (PQntuples(result) != 1 || PQnfields(result) < 4)
        return false;
    struct slot_facts *slot = &facts->slot;
    const struct slot_facts before = *slot;
    *slot = (struct slot_facts){
        .exists = true,
        .plugin = "pgoutput",
        .type = "logical",
        .keep_size_bytes = before.keep_size_bytes,
        .wal_lsn = before.wal_lsn,
    };
    memcpy(slot->database, facts->database, sizeof slot->database);
    return wal_parse(PQgetvalue(result, 0, 1), &slot->confirmed_lsn);
}

bool inquiry_read(enum question question, const PGresult *result, struct origin_facts *facts)
{
    switch (question) {
    case ASK_SYSTEM:
        return read_system(result, facts);
    case ASK_SETTINGS:
        return read_settings(result, facts);
    case ASK_PUBLICATIONS:
        return read_publications(result, facts);
    case ASK_SLOT:
        return read_slot(result, &facts->slot);
    case ASK_CREATE:
        return read_created(result, facts);
    case ASK_ALTER:
        return true;
    case ASK_HISTORY:
    case ASK_START:
        break;
    }
    return false;
}
