/* SPDX-License-Identifier: Apache-2.0
 *
 * slot_command.c -- `leat slot create|drop|show` for this source.  [main]
 */
#include "slot_command.h"
#include "connect.h"
#include "fault.h"
#include "guard_rules.h"
#include "inquiry.h"
#include "slot_create.h"

#include <stdarg.h>
#include <stdio.h>

#define LIMIT_NS (INT64_C(10) * 1000000000)

static void print(leat_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(leat_output *output, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        output->write(output, text,
                      (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* Asks one question of inquiry.h and reads its answer. */
static leat_status ask(PGconn *conn, enum question question, const struct pgoutput_options *options,
                       int64_t deadline_ns, struct origin_facts *facts, leat_error *error)
{
    struct text *sql = text_create();
    PGresult *result = NULL;
    inquiry_ask(question, conn, options, 0, sql);
    leat_status status = connect_query(conn, sql->data, NULL, 0, deadline_ns, &result, error);
    if (status == LEAT_OK && !inquiry_read(question, result, facts))
        status =
            fault_set(error, LEAT_ERETRY, 69, "the server's answer has not the expected shape");
    PQclear(result);
    text_destroy(sql);
    return status;
}

static int64_t lag_bytes(const struct slot_facts *slot)
{
    return slot->wal_lsn > slot->confirmed_lsn ? (int64_t)(slot->wal_lsn - slot->confirmed_lsn) : 0;
}

/* An application's name is anybody's choice: what JSON would trip over becomes a question mark. */
static const char *json_word(const char *text, char out[132])
{
    size_t used = 0;
    for (; *text && used < 130; text++)
        out[used++] = *text == '"' || *text == '\\' || (unsigned char)*text < 0x20 ? '?' : *text;
    out[used] = '\0';
    return out;
}

static void show_json(leat_output *output, const char *name, const struct slot_facts *slot)
{
    char restart[WAL_TEXT], confirmed[WAL_TEXT], safe[32] = "null", reader[132] = "";
    if (slot->has_safe_size)
        (void)snprintf(safe, sizeof safe, "%lld", (long long)slot->safe_size_bytes);
    if (!slot->exists) {
        print(output, "{\"slot\":\"%s\",\"exists\":false}\n", name);
        return;
    }
    print(output,
          "{\"slot\":\"%s\",\"exists\":true,\"plugin\":\"%s\",\"active\":%s,\"restart_lsn\":\"%s\","
          "\"confirmed_flush_lsn\":\"%s\",\"retained_bytes\":%lld,\"wal_status\":\"%s\","
          "\"safe_wal_size\":%s,\"lag_bytes\":%lld,\"active_pid\":%lld,\"reader\":\"%s\","
          "\"invalidation\":\"%s\",\"used_percent\":%lld,\"failover\":%s,\"synced\":%s,"
          "\"spill_transactions\":%lld,\"spill_bytes\":%lld,\"transactions\":%lld,"
          "\"bytes\":%lld}\n",
          name, slot->plugin, slot->active ? "true" : "false",
          wal_print(slot->restart_lsn, restart), wal_print(slot->confirmed_lsn, confirmed),
          (long long)slot->retained_bytes, slot->wal_status, safe, (long long)lag_bytes(slot),
          (long long)slot->active_pid, json_word(slot->reader, reader), slot->invalidation,
          (long long)guard_used_percent(slot), slot->failover ? "true" : "false",
          slot->synced ? "true" : "false", (long long)slot->statistics.spill_transactions,
          (long long)slot->statistics.spill_bytes, (long long)slot->statistics.total_transactions,
          (long long)slot->statistics.total_bytes);
}

static void show_text(leat_output *output, const char *name, const struct slot_facts *slot)
{
    char restart[WAL_TEXT], confirmed[WAL_TEXT];
    print(output, "slot                 %s\n", name);
    if (!slot->exists) {
        print(output, "state                does not exist\n");
        return;
    }
    print(output, "plugin               %s\n", slot->plugin);
    if (slot->active)
        print(output, "active               yes, for process %lld (%s)\n",
              (long long)slot->active_pid, *slot->reader ? slot->reader : "unknown");
    else
        print(output, "active               no\n");
    print(output, "restart_lsn          %s\n", wal_print(slot->restart_lsn, restart));
    print(output, "confirmed_flush_lsn  %s\n", wal_print(slot->confirmed_lsn, confirmed));
    print(output, "retained_bytes       %lld\n", (long long)slot->retained_bytes);
    print(output, "wal_status           %s\n", slot->wal_status);
    if (slot->has_safe_size)
        print(output, "safe_wal_size        %lld\n", (long long)slot->safe_size_bytes);
    else
        print(output, "safe_wal_size        unlimited\n");
    if (guard_used_percent(slot) >= 0)
        print(output, "used of keep_size    %lld %%\n", (long long)guard_used_percent(slot));
    if (*slot->invalidation)
        print(output, "invalidation         %s\n", slot->invalidation);
    print(output, "lag_bytes            %lld\n", (long long)lag_bytes(slot));
    print(output, "failover             %s%s\n", slot->failover ? "yes" : "no",
          slot->synced ? ", synchronised from a primary" : "");
    print(output, "spilled              %lld transactions, %lld bytes\n",
          (long long)slot->statistics.spill_transactions, (long long)slot->statistics.spill_bytes);
}

static leat_status show(PGconn *conn, const struct pgoutput_options *options, leat_output *output,
                        leat_error *error)
{
    struct origin_facts facts = {0};
    leat_status status = ask(conn, ASK_SLOT, options, connect_now_ns() + LIMIT_NS, &facts, error);
    if (status)
        return status;
    /* Names of slots and plugins are plain words; wal_status is the server's own. */
    if (output->json)
        show_json(output, options->slot, &facts.slot);
    else
        show_text(output, options->slot, &facts.slot);
    return LEAT_OK;
}

static leat_status create(PGconn *conn, const struct pgoutput_options *options, leat_output *output,
                          leat_error *error)
{
    struct origin_facts facts = {0};
    char position[WAL_TEXT];
    /* First: it sees to it that the server makes no slot once we have gone. */
    leat_status status =
        ask(conn, ASK_SETTINGS, options, connect_now_ns() + LIMIT_NS, &facts, error);
    if (status)
        return status;
    status = ask(conn, ASK_PUBLICATIONS, options, connect_now_ns() + LIMIT_NS, &facts, error);
    if (status)
        return status;
    if (facts.publication_missing)
        return fault_set(
            error, LEAT_ECONFIG, 78,
            "publication \"%s\" does not exist: it has to be created before the slot, see "
            "leat setup",
            facts.missing_publication);
    if (options->failover && facts.version < 170000)
        return fault_set(error, LEAT_ECONFIG, 78,
                         "failover: true needs PostgreSQL 17 or newer, the server is %d",
                         facts.version / 10000);
    status = slot_create(conn, options, &facts, error);
    if (status)
        return status;
    (void)wal_print(facts.slot.confirmed_lsn, position);
    if (output->json)
        print(output, "{\"slot\":\"%s\",\"created\":true,\"consistent_point\":\"%s\"}\n",
              options->slot, position);
    else
        print(output, "created slot %s, which begins at %s\n", options->slot, position);
    return LEAT_OK;
}

static leat_status drop(PGconn *conn, const struct pgoutput_options *options, leat_output *output,
                        leat_error *error)
{
    const char *values[] = {options->slot};
    PGresult *result;
    struct text *sql = text_create();
    text_add(sql, "SELECT pg_drop_replication_slot(");
    inquiry_quote_sql(sql, values[0], '\'');
    text_add_char(sql, ')');
    leat_status status =
        connect_query(conn, sql->data, NULL, 0, connect_now_ns() + LIMIT_NS, &result, error);
    text_destroy(sql);
    PQclear(result);
    if (status)
        return status;
    if (output->json)
        print(output, "{\"slot\":\"%s\",\"dropped\":true}\n", options->slot);
    else
        print(output, "dropped slot %s\n", options->slot);
    return LEAT_OK;
}

leat_status slot_command(const void *config, const char *verb, leat_output *output,
                         leat_error *error)
{
    const struct pgoutput_options *options = config;
    leat_status (*act)(PGconn *, const struct pgoutput_options *, leat_output *, leat_error *) =
        strcmp(verb, "create") == 0 ? create
        : strcmp(verb, "drop") == 0 ? drop
        : strcmp(verb, "show") == 0 ? show
                                    : NULL;
    if (!act)
        return fault_set(error, LEAT_ECONFIG, 64, "leat slot knows create, drop and show");
    leat_status status = options_check(options, error);
    if (status)
        return status;
    PGconn *conn;
    status =
        connect_wait(options->dsn, CONNECT_REPLICATION, connect_now_ns() + LIMIT_NS, &conn, error);
    if (status) {
        if (error && !error->exit_code)
            error->exit_code = fault_connection(error->text).exit_code;
        return status;
    }
    status = act(conn, options, output, error);
    PQfinish(conn);
    return status;
}
