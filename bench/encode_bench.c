/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_bench.c -- nanoseconds of CPU a record of the encodings and routes: the best pass over the
 * rows, so that other work on the machine shows little.
 *
 *   encode_bench [MILLISECONDS]      how long each line takes (default 500)
 *
 * The rows lie in an arena larger than a cache level's worth, as they do in the daemon.
 */
#include "encode.h"
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS 1000u

struct table {
    leat_relation relation;
    leat_column *columns;
    uint16_t key[1];
};

struct shape {
    const char *name;
    uint32_t columns;
    const char *(*text)(uint32_t column, uint32_t row, char *buffer, uint8_t *kind, uint8_t *flags);
};

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* id, customer, status, amount, created, note: about 250 bytes a row. */
static const char *orders(uint32_t column, uint32_t row, char *buffer, uint8_t *kind,
                          uint8_t *flags)
{
    *flags = 0;
    switch (column % 6) {
    case 0:
        *kind = LEAT_VALUE_INTEGER;
        sprintf(buffer, "%u", 1000000 + row);
        break;
    case 1:
        *kind = LEAT_VALUE_INTEGER;
        sprintf(buffer, "%u", row * 7919 % 100000);
        break;
    case 2:
        *kind = LEAT_VALUE_TEXT;
        return "shipped";
    case 3:
        *kind = LEAT_VALUE_DECIMAL;
        sprintf(buffer, "%u.%02u", row * 31 % 5000, row % 100);
        break;
    case 4:
        *kind = LEAT_VALUE_TIMESTAMPTZ;
        *flags = LEAT_VALUE_PLAIN;
        sprintf(buffer, "2026-11-22T10:%02u:%02u.123456+00:00", row / 60 % 60, row % 60);
        break;
    default:
        *kind = LEAT_VALUE_TEXT;
        sprintf(
            buffer,
            "%08x the quick brown fox jumps over the lazy dog; %08x and then goes home to write "
            "all of it down in a long letter, which nobody ever reads to its very end %08x",
            row * 2654435761u, row * 40503u, row);
    }
    return buffer;
}

static const char *umlauts(uint32_t column, uint32_t row, char *buffer, uint8_t *kind,
                           uint8_t *flags)
{
    (void)column;
    *kind = LEAT_VALUE_TEXT;
    *flags = 0;
    sprintf(buffer, "%08x Съешь ещё этих мягких французских булок, да выпей же чаю \"%u\"\n", row,
            row);
    return buffer;
}

static const char *single(uint32_t column, uint32_t row, char *buffer, uint8_t *kind,
                          uint8_t *flags)
{
    return orders(column, row, buffer, kind, flags);
}

static const char *fifty(uint32_t column, uint32_t row, char *buffer, uint8_t *kind, uint8_t *flags)
{
    if (column % 6 == 5) {
        *kind = LEAT_VALUE_TEXT;
        *flags = 0;
        return "nineteen bytes long";
    }
    return orders(column, row, buffer, kind, flags);
}

static void make_table(struct table *table, uint32_t columns)
{
    static uint64_t id;
    table->columns = calloc(columns, sizeof *table->columns);
    for (uint32_t i = 0; i < columns; i++) {
        char *name = malloc(32);
        sprintf(name, i % 2 ? "customer_%u" : "id%u", i);
        table->columns[i].name = (leat_bytes){name, strlen(name)};
    }
    table->key[0] = 0;
    table->relation = (leat_relation){.size = sizeof table->relation,
                                      .column_count = columns,
                                      .column_stride = sizeof(leat_column),
                                      .key_count = 1,
                                      .id = ++id,
                                      .schema = {"public", 6},
                                      .table = {"orders", 6},
                                      .columns = table->columns,
                                      .key = table->key};
}

static leat_change *make_rows(const struct table *table, const struct shape *shape,
                              const leat_transaction *transaction, size_t *bytes)
{
    leat_change *changes = calloc(ROWS, sizeof *changes);
    char buffer[512];
    *bytes = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        leat_value *values = calloc(shape->columns, sizeof *values);
        for (uint32_t i = 0; i < shape->columns; i++) {
            const char *text = shape->text(i, row, buffer, &values[i].kind, &values[i].flags);
            values[i].len = (uint32_t)strlen(text);
            values[i].ptr = strdup(text);
            *bytes += values[i].len;
        }
        changes[row] = (leat_change){.identity = {transaction->position, row},
                                     .transaction = transaction,
                                     .relation = &table->relation,
                                     .op = LEAT_INSERT};
        changes[row].u.row.after = changes[row].u.row.key = values;
    }
    *bytes /= ROWS;
    return changes;
}

static void run(const struct shape *shape, int64_t format, int64_t round_ns)
{
    static leat_transaction transaction = {sizeof transaction, 741, 0x15D5C98, 1795341600123456};
    static unsigned char out[1 << 20];
    struct encode_options options = {.format = format};
    struct encoder *encoder = encoder_create(&options);
    struct table table;
    size_t row_bytes, value_bytes = 0;
    make_table(&table, shape->columns);
    leat_change *changes = make_rows(&table, shape, &transaction, &row_bytes);
    int64_t best = INT64_MAX;
    for (int64_t spent = 0; spent < round_ns;) {
        unsigned char *at = out;
        int64_t start = now_ns();
        for (uint32_t i = 0; i < ROWS; i++) {
            if (at > out + sizeof out - 65536)
                at = out;
            value_bytes = encoder_value(encoder, &changes[i], at, 65536);
            if (value_bytes == 0)
                abort();
            at += value_bytes;
        }
        int64_t pass = now_ns() - start;
        best = pass < best ? pass : best;
        spent += pass;
    }
    printf("%-8s %-24s %4u columns %5zu bytes in %5zu bytes out %8.1f ns\n",
           format == ENCODE_JSON ? "json" : "msgpack", shape->name, shape->columns, row_bytes,
           value_bytes, (double)best / ROWS);
    encoder_destroy(encoder);
}

static void run_route(const char *text, int64_t round_ns)
{
    static const leat_route_rules rules = {
        .allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
        .literal = ".",
        .escape = '%',
        .max_length = 256};
    static leat_transaction transaction = {sizeof transaction, 741, 0x15D5C98, 0};
    const struct shape shape = {"", 6, orders};
    struct config_sink sink = {.route = text};
    char error[256];
    struct router *router = router_create(&sink, &rules, error, sizeof error);
    struct table table;
    size_t bytes;
    make_table(&table, 6);
    leat_change *changes = make_rows(&table, &shape, &transaction, &bytes);
    int64_t best = INT64_MAX;
    for (int64_t spent = 0; spent < round_ns;) {
        int64_t start = now_ns();
        for (uint32_t i = 0; i < ROWS; i++) {
            unsigned char dst[256];
            leat_bytes route;
            leat_error why = {.size = sizeof why};
            if (router_resolve(router, &changes[i], dst, sizeof dst, &route, &why) != LEAT_OK)
                abort();
        }
        int64_t pass = now_ns() - start;
        best = pass < best ? pass : best;
        spent += pass;
    }
    printf("route    %-60s %8.1f ns\n", text, (double)best / ROWS);
    router_destroy(router);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {{"orders", 6, orders},
                                          {"one column", 1, single},
                                          {"fifty columns", 50, fifty},
                                          {"cyrillic, quotes", 3, umlauts}};
    int64_t round_ns = (argc > 1 ? atoll(argv[1]) : 500) * 1000000;
    for (int64_t format = ENCODE_JSON; format <= ENCODE_MSGPACK; format++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            run(&shapes[i], format, round_ns);
    }
    run_route("cdc.{schema}.{table}.{op}", round_ns);
    run_route("cdc.{schema}.{table}.{op}.{key.id0}", round_ns);
    return 0;
}
