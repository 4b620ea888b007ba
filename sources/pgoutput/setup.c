/* SPDX-License-Identifier: Apache-2.0
 *
 * setup.c -- `leat setup` for this source: the SQL that an administrator runs.  [main]
 * Connects to nothing and never prints a password.
 */
#include "setup.h"
#include "connect.h"
#include "fault.h"
#include "inquiry.h"

#include <stdlib.h>

static void statement(struct text *sql, struct text *json, const char *comment, const char *text)
{
    text_addf(sql, "-- %s\n%s;\n", comment, text);
    if (json->len > 1)
        text_add_char(json, ',');
    text_add_char(json, '"');
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20)
            text_addf(json, "\\u%04x", (unsigned char)*c);
        else if (*c == '"' || *c == '\\')
            text_addf(json, "\\%c", *c);
        else
            text_add_char(json, *c);
    }
    text_add_char(json, '"');
}

static void write_statements(const struct pgoutput_options *options, const char *role,
                             const char *database, struct text *sql, struct text *json)
{
    struct text *text = text_create();
    text_add(text, "ALTER SYSTEM SET wal_level = 'logical'");
    statement(sql, json, "needs a restart of the server, unless it says logical already",
              text->data);
    text_reset(text);
    text_add(text, "CREATE ROLE ");
    inquiry_quote_name(text, role);
    text_add(text, " LOGIN REPLICATION");
    statement(sql, json, "the role; give it a password with \\password", text->data);
    text_reset(text);
    text_add(text, "GRANT CONNECT ON DATABASE ");
    inquiry_quote_name(text, database);
    text_add(text, " TO ");
    inquiry_quote_name(text, role);
    statement(sql, json, "the stream and the catalogue need no more than this", text->data);
    text_reset(text);
    text_add(text, "GRANT USAGE ON SCHEMA public TO ");
    inquiry_quote_name(text, role);
    statement(sql, json,
              "reading the tables themselves (first copies of them) needs these two, for "
              "each schema",
              text->data);
    text_reset(text);
    text_add(text, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ");
    inquiry_quote_name(text, role);
    statement(sql, json, "the second of the two", text->data);
    text_reset(text);
    text_add(text, "GRANT pg_monitor TO ");
    inquiry_quote_name(text, role);
    statement(
        sql, json,
        "only for one figure of the slot guard, the size of pg_wal, and the names of strangers "
        "on the slot; all else it sees without",
        text->data);
    for (size_t i = 0; i < options->publication.count; i++) {
        text_reset(text);
        text_add(text, "CREATE PUBLICATION ");
        inquiry_quote_name(text, options->publication.items[i]);
        text_add(text, " FOR ALL TABLES");
        statement(sql, json, "or FOR TABLE a, b; it has to exist before the slot", text->data);
    }
    text_reset(text);
    text_add(text, "SELECT pg_create_logical_replication_slot(");
    inquiry_quote_sql(text, options->slot, '\'');
    text_add(text, options->failover ? ", 'pgoutput', false, false, true)" : ", 'pgoutput')");
    statement(sql, json, "the slot; leat run creates it too, unless create_slot is off",
              text->data);
    text_destroy(text);
}

leat_status setup_print(const void *config, leat_output *output, leat_error *error)
{
    const struct pgoutput_options *options = config;
    leat_status status = options_check(options, error);
    if (status)
        return status;
    char *role = connect_keyword(options->dsn, "user");
    char *database = connect_keyword(options->dsn, "dbname");
    struct text *sql = text_create(), *json = text_create();
    if (role && !database)
        database = strdup(role);
    text_add_char(json, '[');
    /* The name goes into a comment, so it has to stay on its line. */
    char clean[64];
    text_addf(sql, "-- as a superuser, in database \"%s\"\n",
              fault_line(clean, sizeof clean, database ? database : ""));
    write_statements(options, role ? role : "leat", database ? database : "postgres", sql, json);
    text_add(json, "]\n");
    if (text_broken(sql) || text_broken(json))
        status = fault_set(error, LEAT_EFATAL, 0, "no memory");
    else if (output->json)
        output->write(output, json->data, json->len);
    else
        output->write(output, sql->data, sql->len);
    text_destroy(json);
    text_destroy(sql);
    free(database);
    free(role);
    return status;
}
