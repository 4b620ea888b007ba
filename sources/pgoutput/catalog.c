/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog.c -- what the stream does not say of types and relations, looked up beside it.  [worker]
 * Never writes, never logs.
 */
#include "catalog.h"
#include "connect.h"
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define LIMIT_MS 5000
#define KEYS_MAX 32 /* INDEX_MAX_KEYS */

struct catalog {
    const leat_host *host;
    const struct pgoutput_options *options;
    PGconn *conn; /* NULL: not open */
    int64_t limit_ms;
    struct decoder_catalog functions;
    char key_names[KEYS_MAX][64];
    struct type_attribute attributes[TYPE_ATTRIBUTES_MAX];
    char dsn[CONNECT_DSN_MAX];
};

/* One row, and one more for each attribute of a composite.  A true array is one whose subscripts
 * are the array handler's; the fixed-length types that can be subscripted too (point, line) are
 * not, and int2vector and oidvector print without braces. */
static const char type_sql[] =
    "SELECT t.typtype, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,"
    " t.typsubscript = 'array_subscript_handler'::regproc AND t.oid NOT IN (22, 30),"
    " coalesce(e.typdelim, ','), a.attname, a.atttypid"
    " FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem"
    " LEFT JOIN pg_attribute a ON t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0"
    "  AND NOT a.attisdropped"
    " WHERE t.oid = $1::oid ORDER BY a.attnum";

/* The first row says whether old rows can be trusted; then a row for each primary key column. */
static const char relation_sql[] =
    "SELECT NULL::name, c.relkind = 'p' AND c.relreplident = 'f' AND EXISTS ("
    "  SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid"
    "  WHERE p.isleaf AND l.relreplident <> 'f') AS untrue, 0::int2 AS place"
    " FROM pg_class c WHERE c.oid = $1::oid"
    " UNION ALL SELECT a.attname, NULL, a.attnum FROM pg_index i JOIN pg_attribute a"
    "  ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])"
    " WHERE i.indrelid = $1::oid AND i.indisprimary ORDER BY place";

static leat_status look_up(struct catalog *catalog, const char *sql, uint32_t oid, PGresult **out,
                           leat_error *error)
{
    char number[16];
    const char *values[] = {number};
    (void)snprintf(number, sizeof number, "%u", (unsigned)oid);
    int64_t deadline = connect_now_ns() + catalog->limit_ms * MS;
    leat_status status = LEAT_OK;
    /* Twice: the first failure may be of a connection that ended long ago. */
    for (int attempt = 0; attempt < 2; attempt++) {
        bool fresh = !catalog->conn;
        if (fresh) {
            status = connect_wait(connect_dsn(catalog->host, catalog->options, catalog->dsn),
                                  CONNECT_PLAIN, deadline, &catalog->conn, error);
            explicit_bzero(catalog->dsn, sizeof catalog->dsn);
            if (status)
                break;
        }
        status = connect_query(catalog->conn, sql, values, 1, deadline, out, error);
        if (status == LEAT_OK)
            return LEAT_OK;
        catalog_close(catalog);
        if (fresh)
            break;
    }
    char why[FAULT_TEXT];
    (void)fault_line(why, sizeof why, error ? error->text : "");
    return fault_set(error, LEAT_ERETRY, 0, "the catalogue cannot be asked: %s", why);
}

static uint32_t oid_at(const PGresult *result, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static void read_attributes(struct catalog *catalog, const PGresult *result, struct type_info *out)
{
    int rows = PQntuples(result);
    for (int row = 0; row < rows && out->attribute_count < TYPE_ATTRIBUTES_MAX; row++) {
        if (PQgetisnull(result, row, 4))
            continue;
        struct type_attribute *attribute = &catalog->attributes[out->attribute_count++];
        (void)snprintf(attribute->name, sizeof attribute->name, "%s", PQgetvalue(result, row, 4));
        attribute->type = oid_at(result, row, 5);
    }
    out->attributes = catalog->attributes;
}

static void read_type(struct catalog *catalog, const PGresult *result, struct type_info *out)
{
    *out = (struct type_info){.class = TYPE_GONE};
    if (PQntuples(result) < 1 || PQnfields(result) != 6)
        return;
    out->element = oid_at(result, 0, 1);
    out->delimiter = PQgetvalue(result, 0, 3)[0];
    switch (PQgetvalue(result, 0, 0)[0]) {
    case 'b':
        out->class = PQgetvalue(result, 0, 2)[0] == 't' ? TYPE_ARRAY : TYPE_BASE;
        break;
    case 'd':
        out->class = TYPE_DOMAIN;
        break;
    case 'c':
        out->class = TYPE_COMPOSITE;
        read_attributes(catalog, result, out);
        break;
    case 'e':
        out->class = TYPE_ENUM;
        break;
    default:
        out->class = TYPE_OTHER;
    }
}

static leat_status type(void *context, uint32_t oid, struct type_info *out, leat_error *error)
{
    struct catalog *catalog = context;
    PGresult *result;
    leat_status status = look_up(catalog, type_sql, oid, &result, error);
    if (status)
        return status;
    read_type(catalog, result, out);
    PQclear(result);
    return LEAT_OK;
}

static leat_status relation(void *context, uint32_t oid, struct relation_info *out,
                            leat_error *error)
{
    struct catalog *catalog = context;
    PGresult *result;
    leat_status status = look_up(catalog, relation_sql, oid, &result, error);
    if (status)
        return status;
    *out = (struct relation_info){.key_names = (const char(*)[64])catalog->key_names};
    if (PQnfields(result) < 2) {
        PQclear(result);
        return fault_set(error, LEAT_ERETRY, 0, "the server's answer has not the expected shape");
    }
    for (int row = 0; row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, 0)) {
            out->old_row_untrue = PQgetvalue(result, row, 1)[0] == 't';
        } else if (out->key_count < KEYS_MAX) {
            (void)snprintf(catalog->key_names[out->key_count++], 64, "%s",
                           PQgetvalue(result, row, 0));
        }
    }
    PQclear(result);
    return LEAT_OK;
}

struct catalog *catalog_create(const leat_host *host, const struct pgoutput_options *options)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    if (!catalog)
        return NULL;
    catalog->host = host;
    catalog->options = options;
    catalog->limit_ms = LIMIT_MS;
    catalog->functions =
        (struct decoder_catalog){.context = catalog, .type = type, .relation = relation};
    return catalog;
}

void catalog_destroy(struct catalog *catalog)
{
    if (!catalog)
        return;
    catalog_close(catalog);
    free(catalog);
}

const struct decoder_catalog *catalog_functions(struct catalog *catalog)
{
    return &catalog->functions;
}

void catalog_limit(struct catalog *catalog, int64_t wal_sender_timeout_ms)
{
    catalog->limit_ms = LIMIT_MS;
    if (wal_sender_timeout_ms > 0 && wal_sender_timeout_ms / 2 < LIMIT_MS)
        catalog->limit_ms = wal_sender_timeout_ms / 2;
}

void catalog_close(struct catalog *catalog)
{
    PQfinish(catalog->conn);
    catalog->conn = NULL;
}
