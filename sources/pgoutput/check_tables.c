/* SPDX-License-Identifier: Apache-2.0
 *
 * check_tables.c -- `leat check`: the publications, and the tables in them whose changes PostgreSQL
 * refuses or cannot send whole.  [main]  Changes nothing.
 */
#include "check_run.h"

#include <stdio.h>
#include <string.h>

static void list_names(struct check_run *run)
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

void check_publications(struct check_run *run)
{
    if (run->facts.publication_missing) {
        text_reset(run->fix);
        text_add(run->fix, "CREATE PUBLICATION ");
        inquiry_quote_name(run->fix, run->facts.missing_publication);
        text_add(run->fix, " FOR ALL TABLES;");
        check_report(run, LEAT_FINDING_ERROR, 78, run->fix->data, "publication %s does not exist",
                     run->facts.missing_publication);
    }
    list_names(run);
    text_reset(run->sql);
    text_addf(run->sql,
              "SELECT p.pubname, (SELECT count(*) FROM pg_publication_tables t"
              " WHERE t.pubname = p.pubname), p.puballtables FROM pg_publication p"
              " WHERE p.pubname::text IN (%s) ORDER BY 1",
              run->names);
    PGresult *result = check_query(run, 3);
    for (int row = 0; result && row < PQntuples(result); row++) {
        bool empty = strcmp(PQgetvalue(result, row, 1), "0") == 0;
        bool one = strcmp(PQgetvalue(result, row, 1), "1") == 0;
        check_report(run, empty ? LEAT_FINDING_WARNING : LEAT_FINDING_OK, 0,
                     empty ? "ALTER PUBLICATION ... ADD TABLE ...;" : NULL,
                     "publication %s: %s %s%s", PQgetvalue(result, row, 0),
                     PQgetvalue(result, row, 1), one ? "table" : "tables",
                     PQgetvalue(result, row, 2)[0] == 't' ? " (all there are and will be)" : "");
    }
    PQclear(result);
}

/* A table each row: name, and what is to be said of it.  The fix has the table's name in it.
 * t.columns: what that publication sends of it, by the server's own account; NULL before PostgreSQL
 * 15, which has no lists.  15 counts generated columns among them, and does not send them. */
static void report_tables(struct check_run *run, int32_t severity, const char *where,
                          const char *fix, const char *text)
{
    text_reset(run->sql);
    text_addf(
        run->sql,
        "WITH t AS (SELECT v.pubname, c.oid AS table_oid, to_jsonb(v)->'attnames' AS columns"
        "  FROM pg_publication_tables v JOIN pg_namespace n ON n.nspname = v.schemaname"
        "  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = v.tablename"
        "  WHERE v.pubname::text IN (%s))"
        " SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname) FROM t"
        " JOIN pg_publication p ON p.pubname = t.pubname JOIN pg_class c ON c.oid = t.table_oid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE %s ORDER BY 1 LIMIT 100",
        run->names, where);
    PGresult *result = check_query(run, 1);
    for (int row = 0; result && row < PQntuples(result); row++) {
        text_reset(run->fix);
        if (fix)
            text_addf(run->fix, "ALTER TABLE %s %s;", PQgetvalue(result, row, 0), fix);
        check_report(run, severity, severity == LEAT_FINDING_ERROR ? 78 : 0,
                     fix ? run->fix->data : NULL, "table %s: %s", PQgetvalue(result, row, 0), text);
    }
    PQclear(result);
}

#define KEY_INDEX                                                                                  \
    "SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (c.relreplident = 'd' AND i.indisprimary" \
    " OR c.relreplident = 'i' AND i.indisreplident)"

void check_tables(struct check_run *run)
{
    report_tables(
        run, LEAT_FINDING_ERROR,
        "EXISTS (SELECT FROM t o WHERE o.table_oid = t.table_oid"
        " AND o.columns <> t.columns)",
        NULL,
        "the publications send different columns of it, so PostgreSQL refuses to send it "
        "at all: give it one column list in all of them (ALTER PUBLICATION ... SET TABLE)");
    report_tables(
        run, LEAT_FINDING_WARNING,
        "c.relreplident <> 'f' AND (p.pubupdate OR p.pubdelete) AND NOT EXISTS (" KEY_INDEX ")",
        "REPLICA IDENTITY FULL",
        "no replica identity: PostgreSQL refuses its updates and deletes while it is "
        "published (a primary key would be better)");
    report_tables(
        run, LEAT_FINDING_NOTE,
        "c.relreplident = 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"
        " AND i.indisprimary)",
        NULL, "REPLICA IDENTITY FULL and no primary key: its records have no key");
    /* What no client can mend. */
    report_tables(run, LEAT_FINDING_NOTE, "c.relkind = 'p' AND p.pubviaroot AND p.pubtruncate",
                  NULL,
                  "published via its root: a TRUNCATE of one of its partitions is not sent at all");
    report_tables(
        run, LEAT_FINDING_WARNING,
        "c.relkind = 'p' AND p.pubviaroot AND c.relreplident = 'f' AND EXISTS (SELECT FROM"
        " pg_partition_tree(c.oid) l JOIN pg_class k ON k.oid = l.relid WHERE l.isleaf AND"
        " k.relreplident <> 'f')",
        "REPLICA IDENTITY DEFAULT",
        "REPLICA IDENTITY FULL over partitions without it: the other columns of old rows "
        "are falsely null, so `before` is left out (or set FULL on each partition)");
    report_tables(run, LEAT_FINDING_WARNING,
                  "EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND"
                  " a.attnum = ANY (i.indkey) AND a.attgenerated <> '' AND"
                  " NOT (current_setting('server_version_num')::int >= 180000 AND"
                  " t.columns ? a.attname::text) WHERE i.indrelid = c.oid AND"
                  " (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND"
                  " i.indisreplident))",
                  "REPLICA IDENTITY FULL",
                  "its key has a generated column, which is not sent (PostgreSQL 18 can: "
                  "publish_generated_columns = stored)");
}
