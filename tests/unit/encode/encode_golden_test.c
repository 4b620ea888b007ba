/* SPDX-License-Identifier: Apache-2.0
 *
 * encode_golden_test.c -- records byte for byte, as the documentation shows them.
 */
#include "encoder.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const leat_transaction transaction = {sizeof transaction, 741, 0x15D5C98,
                                             INT64_C(1795341600123456)};

static leat_change row_change(const struct sample_table *table, uint16_t op)
{
    return (leat_change){.identity = {transaction.position, 3},
                         .transaction = &transaction,
                         .relation = &table->relation,
                         .op = op};
}

static void expect(const struct encode_options *options, const leat_change *change,
                   const char *wanted)
{
    char out[4096];
    struct encoder *encoder = encoder_create(options);
    assert_non_null(encoder);
    for (int again = 0; again < 2; again++) { /* prepared, then out of the cache */
        size_t len = encoder_value(encoder, change, (unsigned char *)out, sizeof out - 1);
        out[len] = 0;
        assert_string_equal(out, wanted);
    }
    encoder_destroy(encoder);
}

static void expect_json(const leat_change *change, const char *wanted)
{
    static const struct encode_options options;
    expect(&options, change, wanted);
}

#define HEAD(op)                                                                                   \
    "{\"op\":\"" op "\",\"schema\":\"public\",\"table\":\"orders\",\"lsn\":\"0/15D5C98\","
#define TAIL "\"xid\":741,\"ts\":\"2026-11-22T10:00:00.123456Z\",\"seq\":3"

static const char *const order_columns[] = {"id", "note", "photo", NULL};

static void update_is_as_documented(void **state)
{
    (void)state;
    struct sample_table table;
    sample_table_init(&table, "public", "orders", order_columns, 1);
    leat_value before[] = {sample_value(LEAT_VALUE_INTEGER, "7"),
                           sample_value(LEAT_VALUE_TEXT, "a"),
                           {.kind = LEAT_VALUE_MISSING}};
    leat_value after[] = {sample_value(LEAT_VALUE_INTEGER, "7"),
                          sample_value(LEAT_VALUE_TEXT, "b"),
                          {.kind = LEAT_VALUE_MISSING}};
    leat_change change = row_change(&table, LEAT_UPDATE);
    change.u.row.before = change.u.row.key = before;
    change.u.row.after = after;
    expect_json(&change,
                HEAD("update") TAIL ",\"key\":{\"id\":7},\"before\":{\"id\":7,\"note\":\"a\"},"
                                    "\"after\":{\"id\":7,\"note\":\"b\"},\"missing\":[\"photo\"]}");
    sample_table_fini(&table);
}

static void insert_delete_read_have_their_fields(void **state)
{
    (void)state;
    struct sample_table table;
    sample_table_init(&table, "public", "orders", order_columns, 2);
    leat_value row[] = {sample_value(LEAT_VALUE_INTEGER, "-1"),
                        sample_value(LEAT_VALUE_TEXT, ""),
                        {.kind = LEAT_VALUE_NULL}};
    leat_change change = row_change(&table, LEAT_INSERT);
    change.u.row.key = change.u.row.after = row;
    expect_json(&change, HEAD("insert") TAIL ",\"key\":{\"id\":-1,\"note\":\"\"},"
                                             "\"after\":{\"id\":-1,\"note\":\"\",\"photo\":null}}");
    change.op = LEAT_READ;
    expect_json(&change, HEAD("read") TAIL ",\"key\":{\"id\":-1,\"note\":\"\"},"
                                           "\"after\":{\"id\":-1,\"note\":\"\",\"photo\":null}}");
    change = row_change(&table, LEAT_DELETE);
    change.u.row.key = row;
    expect_json(&change, HEAD("delete") TAIL ",\"key\":{\"id\":-1,\"note\":\"\"}}");
    change.u.row.before = row;
    change.u.row.key = NULL;
    expect_json(&change,
                HEAD("delete") TAIL ",\"before\":{\"id\":-1,\"note\":\"\",\"photo\":null}}");
    sample_table_fini(&table);
}

static void no_key_columns_no_key(void **state)
{
    (void)state;
    struct sample_table table;
    sample_table_init(&table, "public", "orders", order_columns, 0);
    leat_value row[] = {
        {.kind = LEAT_VALUE_MISSING}, {.kind = LEAT_VALUE_MISSING}, {.kind = LEAT_VALUE_MISSING}};
    leat_change change = row_change(&table, LEAT_UPDATE);
    change.u.row.key = change.u.row.after = row;
    expect_json(&change,
                HEAD("update") TAIL ",\"after\":{},\"missing\":[\"id\",\"note\",\"photo\"]}");
    sample_table_fini(&table);
}

static void table_without_columns(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct sample_table table;
    sample_table_init(&table, "public", "orders", none, 0);
    leat_value row[1] = {{.kind = LEAT_VALUE_NULL}};
    leat_change change = row_change(&table, LEAT_INSERT);
    change.u.row.after = row;
    expect_json(&change, HEAD("insert") TAIL ",\"after\":{}}");
    sample_table_fini(&table);
}

static void truncate_tells_its_options(void **state)
{
    (void)state;
    struct sample_table table;
    sample_table_init(&table, "public", "orders", order_columns, 1);
    leat_change change = row_change(&table, LEAT_TRUNCATE);
    expect_json(&change, HEAD("truncate") TAIL ",\"cascade\":false,\"restart_identity\":false}");
    change.flags = LEAT_CHANGE_CASCADE | LEAT_CHANGE_RESTART_IDENTITY;
    expect_json(&change, HEAD("truncate") TAIL ",\"cascade\":true,\"restart_identity\":true}");
    sample_table_fini(&table);
}

static void messages_in_and_outside_a_transaction(void **state)
{
    (void)state;
    leat_change change = {.identity = {UINT64_C(0x16B374D848), 0},
                          .transaction = &transaction,
                          .op = LEAT_MESSAGE,
                          .flags = LEAT_CHANGE_TRANSACTIONAL};
    change.u.message.prefix = (leat_bytes){"p\"q", 3};
    change.u.message.content = (leat_bytes){"caf\xc3\xa9\n", 6};
    expect_json(&change,
                "{\"op\":\"message\",\"lsn\":\"16/B374D848\",\"xid\":741,\"ts\":\"2026-11-22T10:"
                "00:00.123456Z\",\"seq\":0,\"prefix\":\"p\\\"q\",\"transactional\":true,"
                "\"content\":\"caf\xc3\xa9\\n\"}");
    change.transaction = NULL;
    change.flags = 0;
    change.identity.seq = -1;
    change.u.message.content = (leat_bytes){"\xff\x00z", 3};
    expect_json(&change,
                "{\"op\":\"message\",\"lsn\":\"16/B374D848\",\"seq\":-1,\"prefix\":\"p\\\"q\","
                "\"transactional\":false,\"content\":\"/wB6\",\"encoding\":\"base64\"}");
    change.u.message.content = change.u.message.prefix = (leat_bytes){NULL, 0};
    expect_json(&change, "{\"op\":\"message\",\"lsn\":\"16/B374D848\",\"seq\":-1,\"prefix\":\"\","
                         "\"transactional\":false,\"content\":\"\"}");
}

static void hostile_names_are_escaped(void **state)
{
    (void)state;
    static const char *const names[] = {"a\"b", "c\\\n", "\xff", NULL};
    struct sample_table table;
    sample_table_init(&table, "s\"", "t\x01", names, 1);
    leat_value row[] = {sample_value(LEAT_VALUE_BOOL, "true"),
                        {.kind = LEAT_VALUE_NULL},
                        {.kind = LEAT_VALUE_MISSING}};
    leat_change change = row_change(&table, LEAT_INSERT);
    change.u.row.after = change.u.row.key = row;
    expect_json(
        &change,
        "{\"op\":\"insert\",\"schema\":\"s\\\"\",\"table\":\"t\\u0001\",\"lsn\":\"0/15D5C98\"," TAIL
        ",\"key\":{\"a\\\"b\":true},\"after\":{\"a\\\"b\":true,\"c\\\\\\n\":null},"
        "\"missing\":[\"\xef\xbf\xbd\"]}");
    sample_table_fini(&table);
}

/* One column of one kind. */
static void value_becomes(const struct encode_options *options, leat_value value,
                          const char *wanted)
{
    static const char *const names[] = {"v", NULL};
    struct sample_table table;
    char text[1024];
    sample_table_init(&table, "public", "orders", names, 0);
    leat_change change = row_change(&table, LEAT_INSERT);
    change.u.row.after = &value;
    (void)snprintf(text, sizeof text, HEAD("insert") TAIL ",\"after\":{\"v\":%s}}", wanted);
    expect(options, &change, text);
    sample_table_fini(&table);
}

static void every_kind_as_documented(void **state)
{
    (void)state;
    struct encode_options options = {0};
    value_becomes(&options, sample_value(LEAT_VALUE_INTEGER, "-9223372036854775808"),
                  "-9223372036854775808");
    value_becomes(&options, sample_value(LEAT_VALUE_FLOAT, "1e+20"), "1e+20");
    value_becomes(&options, sample_value(LEAT_VALUE_FLOAT, "NaN"), "\"NaN\"");
    value_becomes(&options, sample_value(LEAT_VALUE_FLOAT, "-Infinity"), "\"-Infinity\"");
    value_becomes(&options, sample_value(LEAT_VALUE_DECIMAL, "1.10"), "1.10");
    value_becomes(&options, sample_value(LEAT_VALUE_DECIMAL, "Infinity"), "\"Infinity\"");
    value_becomes(&options, sample_value(LEAT_VALUE_DATE, "0044-03-15 BC"), "\"0044-03-15 BC\"");
    value_becomes(&options, sample_value(LEAT_VALUE_BYTES, "\xde\xad\x01"), "\"\\\\xdead01\"");
    value_becomes(&options, sample_value(LEAT_VALUE_BYTES, ""), "\"\\\\x\"");
    value_becomes(&options, sample_value(LEAT_VALUE_JSON, "{\"a\":[1,null]}"), "{\"a\":[1,null]}");
    value_becomes(&options, sample_value(LEAT_VALUE_TEXT, "a/b \xe2\x82\xac\x7f\b\f\r\t\x1f"),
                  "\"a/b \xe2\x82\xac\x7f\\b\\f\\r\\t\\u001f\"");
}

static void options_quote_their_kinds_only(void **state)
{
    (void)state;
    struct encode_options options = {
        .numeric = ENCODE_STRING, .int8 = ENCODE_STRING, .bytea = ENCODE_BASE64};
    leat_value big = sample_value(LEAT_VALUE_INTEGER, "7");
    value_becomes(&options, big, "7");
    big.flags = LEAT_VALUE_INT64;
    value_becomes(&options, big, "\"7\"");
    value_becomes(&options, sample_value(LEAT_VALUE_DECIMAL, "1.10"), "\"1.10\"");
    value_becomes(&options, sample_value(LEAT_VALUE_FLOAT, "1.5"), "1.5");
    value_becomes(&options, sample_value(LEAT_VALUE_BYTES, "\xde\xad"), "\"3q0=\"");
    value_becomes(&options, sample_value(LEAT_VALUE_BYTES, "\xde\xad\xbe\xef"), "\"3q2+7w==\"");
    value_becomes(&options, sample_value(LEAT_VALUE_BYTES, ""), "\"\"");
    value_becomes(&options, sample_value(LEAT_VALUE_JSON, "[1.10]"), "[1.10]");
}

static void key_of_the_old_and_of_the_new_row(void **state)
{
    (void)state;
    struct encode_options options = {.format = ENCODE_MSGPACK}; /* keys are JSON all the same */
    struct sample_table table;
    sample_table_init(&table, "public", "orders", order_columns, 1);
    leat_value old[] = {sample_value(LEAT_VALUE_INTEGER, "1"), {.kind = 0}, {.kind = 0}};
    leat_value new[] = {sample_value(LEAT_VALUE_INTEGER, "2"), {.kind = 0}, {.kind = 0}};
    leat_change change = row_change(&table, LEAT_UPDATE);
    change.u.row.key = old;
    change.u.row.after = new;
    struct encoder *encoder = encoder_create(&options);
    unsigned char out[512];
    bool has = false;
    size_t len = encoder_key(encoder, &change, ENCODE_KEY_OLD, out, sizeof out, &has);
    assert_true(has);
    assert_int_equal(len, 8);
    assert_memory_equal(out, "{\"id\":1}", 8);
    len = encoder_key(encoder, &change, ENCODE_KEY_NEW, out, sizeof out, &has);
    assert_int_equal(len, 8);
    assert_memory_equal(out, "{\"id\":2}", 8);
    assert_int_equal(encoder_key(encoder, &change, ENCODE_KEY_NEW, out, 4, &has), 0);
    assert_true(has);
    change.op = LEAT_DELETE;
    change.u.row.after = NULL;
    assert_int_equal(encoder_key(encoder, &change, ENCODE_KEY_NEW, out, sizeof out, &has), 0);
    assert_false(has);
    change.op = LEAT_TRUNCATE;
    assert_int_equal(encoder_key(encoder, &change, ENCODE_KEY_OLD, out, sizeof out, &has), 0);
    assert_false(has);
    encoder_destroy(encoder);
    sample_table_fini(&table);
}

/* An arena is used again: the same address, another transaction. */
static void header_follows_the_transaction_not_its_address(void **state)
{
    (void)state;
    struct encode_options options = {0};
    leat_transaction moving = transaction;
    leat_change change = {.identity = {1, 0}, .transaction = &moving, .op = LEAT_MESSAGE};
    change.u.message.prefix = change.u.message.content = (leat_bytes){"", 0};
    struct encoder *encoder = encoder_create(&options);
    char first[512], second[512];
    for (int what = 0; what < 4; what++) {
        size_t len = encoder_value(encoder, &change, (unsigned char *)first, sizeof first - 1);
        first[len] = 0;
        moving.xid += what == 0;
        change.identity.position += what == 1;
        moving.commit_us += what == 2;
        if (what == 3)
            change.transaction = NULL;
        len = encoder_value(encoder, &change, (unsigned char *)second, sizeof second - 1);
        second[len] = 0;
        assert_string_not_equal(first, second);
    }
    encoder_destroy(encoder);
}

static void many_relations_stay_right(void **state)
{
    (void)state;
    struct encode_options options = {0};
    struct encoder *encoder = encoder_create(&options);
    char name[32], wanted[512], out[512];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3 * RELATION_CACHE_ENTRIES; i++) {
            leat_relation relation = {.size = sizeof relation, .id = 1 + i * 977u};
            (void)snprintf(name, sizeof name, "t%u", i);
            relation.schema = (leat_bytes){"s", 1};
            relation.table = (leat_bytes){name, strlen(name)};
            leat_change change = {.relation = &relation, .op = LEAT_TRUNCATE};
            size_t len = encoder_value(encoder, &change, (unsigned char *)out, sizeof out - 1);
            out[len] = 0;
            (void)snprintf(
                wanted, sizeof wanted,
                "{\"op\":\"truncate\",\"schema\":\"s\",\"table\":\"%s\",\"lsn\":\"0/0\",\"seq\":0,"
                "\"cascade\":false,\"restart_identity\":false}",
                name);
            assert_string_equal(out, wanted);
        }
    }
    encoder_destroy(encoder);
}

static void relation_larger_than_the_cache(void **state)
{
    (void)state;
    struct encode_options options = {0};
    struct encoder *encoder = encoder_create(&options);
    size_t size = RELATION_CACHE_BYTES;
    char *name = malloc(size);
    assert_non_null(name);
    memset(name, 'n', size);
    leat_relation relation = {
        .size = sizeof relation, .id = 1, .schema = {name, size}, .table = {"t", 1}};
    leat_change change = {.relation = &relation, .op = LEAT_TRUNCATE};
    size_t room = encoder_bound(encoder, &change);
    unsigned char *out = malloc(room);
    assert_non_null(out);
    assert_in_range(encoder_value(encoder, &change, out, room), size, room);
    free(out);
    free(name);
    encoder_destroy(encoder);
}

static void lsn_as_postgresql_writes_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t position;
        const char *text;
    } cases[] = {{0, "0/0"},
                 {UINT64_C(0x16B374D848), "16/B374D848"},
                 {UINT64_C(0x100000000), "1/0"},
                 {UINT64_MAX, "FFFFFFFF/FFFFFFFF"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[18] = {0};
        assert_int_equal(encode_lsn(cases[i].position, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void times_of_all_years(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000000Z"},
                 {-1, "1969-12-31T23:59:59.999999Z"},
                 {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
                 {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
                 {INT64_C(253402300800000000), "10000-01-01T00:00:00.000000Z"},
                 {INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z"},
                 {INT64_C(-62135596800000001), "0000-12-31T23:59:59.999999Z"},
                 {INT64_C(-62198755200000000), "-0001-01-01T00:00:00.000000Z"},
                 {INT64_MAX, "294247-01-10T04:00:54.775807Z"},
                 {INT64_MIN, "-290308-12-21T19:59:05.224192Z"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[ENCODE_TIME + 1] = {0};
        assert_true(encode_time(cases[i].us, text) <= ENCODE_TIME);
        assert_string_equal(text, cases[i].text);
    }
}

static void msgpack_byte_for_byte(void **state)
{
    (void)state;
    struct encode_options options = {.format = ENCODE_MSGPACK};
    leat_change change = {.identity = {1, -1}, .op = LEAT_MESSAGE};
    change.u.message.prefix = (leat_bytes){"p", 1};
    change.u.message.content = (leat_bytes){"c", 1};
    expect(&options, &change,
           "\x86\xa2op\xa7message\xa3lsn\xa3"
           "0/1\xa3seq\xff\xa6prefix\xa1p\xadtransactional\xc2\xa7"
           "content\xa1"
           "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_is_as_documented),
        cmocka_unit_test(insert_delete_read_have_their_fields),
        cmocka_unit_test(no_key_columns_no_key),
        cmocka_unit_test(table_without_columns),
        cmocka_unit_test(truncate_tells_its_options),
        cmocka_unit_test(messages_in_and_outside_a_transaction),
        cmocka_unit_test(hostile_names_are_escaped),
        cmocka_unit_test(every_kind_as_documented),
        cmocka_unit_test(options_quote_their_kinds_only),
        cmocka_unit_test(key_of_the_old_and_of_the_new_row),
        cmocka_unit_test(header_follows_the_transaction_not_its_address),
        cmocka_unit_test(many_relations_stay_right),
        cmocka_unit_test(relation_larger_than_the_cache),
        cmocka_unit_test(lsn_as_postgresql_writes_it),
        cmocka_unit_test(times_of_all_years),
        cmocka_unit_test(msgpack_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
