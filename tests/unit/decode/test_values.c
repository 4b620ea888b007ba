/* SPDX-License-Identifier: Apache-2.0
 *
 * test_values.c -- each type's text, and the value it becomes.  decode_types_real has PostgreSQL
 * judge the same; here are the forms that a server under our settings does not print, and hostile
 * ones.
 */
#include "fixture.h"

#include <stdio.h>

static uint32_t next_relation = 100;

/* The value of one column of the type; NULL where the message was refused. */
static const leat_value *value_of(struct fixture *f, uint32_t type, const char *text)
{
    struct wire w = {0};
    char columns[32];
    leat_status status;
    if (!decoder_in_transaction(f->decoder))
        feed_begin_ok(f, 0x500);
    (void)snprintf(columns, sizeof(columns), "c:%u", type);
    feed_relation_ok(f, ++next_relation, 'd', columns);
    wire_row(&w, 'I', next_relation);
    wire_tuple(&w, 'N', 1, ROW(text));
    status = fixture_try(f, &w);
    if (status != LEAT_OK)
        return NULL;
    decoder_flush(f->decoder);
    return f->fake.last->writer.last->u.row.after;
}

struct expected {
    uint32_t type, kind;
    const char *text, *value; /* NULL: refused */
};

static void check(struct fixture *f, const struct expected *rows, size_t count)
{
    f->options.relations_max = 1000;
    fixture_restart(f);
    for (size_t i = 0; i < count; i++) {
        const leat_value *value = value_of(f, rows[i].type, rows[i].text);
        if (!rows[i].value != !value)
            print_error("%s %s\n", rows[i].text, value ? "was taken" : "was refused");
        assert_int_equal(!rows[i].value, !value);
        if (value)
            assert_value(value, rows[i].kind, rows[i].value);
    }
}

#define CHECK(f, rows) check(f, rows, sizeof(rows) / sizeof((rows)[0]))

static void scalars(void **state)
{
    static const struct expected rows[] = {
        {16, LEAT_VALUE_BOOL, "t", "true"},
        {16, LEAT_VALUE_BOOL, "f", "false"},
        {16, 0, "true", NULL},
        {16, 0, "", NULL},
        {23, LEAT_VALUE_INTEGER, "-2147483648", "-2147483648"},
        {23, LEAT_VALUE_INTEGER, "0", "0"},
        {23, 0, "", NULL},
        {23, 0, "-", NULL},
        {23, 0, "01", NULL},
        {23, 0, "-0", NULL},
        {23, 0, "1,\"x\":2", NULL},
        {20, LEAT_VALUE_INTEGER, "9223372036854775807", "9223372036854775807"},
        {20, LEAT_VALUE_INTEGER, "-9223372036854775808", "-9223372036854775808"},
        {20, 0, "9223372036854775808", NULL},
        {20, 0, "-9223372036854775809", NULL},
        {20, 0, "99999999999999999999", NULL},
        {701, LEAT_VALUE_FLOAT, "1e-05", "1e-05"},
        {701, LEAT_VALUE_FLOAT, "-Infinity", "-Infinity"},
        {701, LEAT_VALUE_FLOAT, "NaN", "NaN"},
        {701, 0, "nan", NULL},
        {701, 0, "1e", NULL},
        {701, 0, "1.", NULL},
        {701, 0, ".5", NULL},
        {1700, LEAT_VALUE_DECIMAL, "-0.000000000000000000000000000001",
         "-0.000000000000000000000000000001"},
        {1700, 0, "1 ", NULL},
        {25, LEAT_VALUE_TEXT, "t", "t"},
        {2950, LEAT_VALUE_TEXT, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
        {1082, LEAT_VALUE_DATE, "0044-03-15 BC", "0044-03-15 BC"},
        {1083, LEAT_VALUE_TIME, "24:00:00", "24:00:00"},
        {17, LEAT_VALUE_BYTES, "\\x414243", "ABC"},
        {17, LEAT_VALUE_BYTES, "\\x", ""},
        {17, 0, "\\x4", NULL},
        {17, 0, "\\x4g", NULL},
        {17, 0, "abc", NULL},
        {17, 0, "", NULL},
    };
    CHECK((struct fixture *)*state, rows);
}

static void timestamps(void **state)
{
    static const struct expected rows[] = {
        {1114, LEAT_VALUE_TIMESTAMP, "2026-11-22 10:00:00.123456", "2026-11-22T10:00:00.123456"},
        {1114, LEAT_VALUE_TIMESTAMP, "0044-03-15 10:00:00 BC", "0044-03-15T10:00:00 BC"},
        {1114, LEAT_VALUE_TIMESTAMP, "-infinity", "-infinity"},
        {1114, LEAT_VALUE_TIMESTAMP, "294276-12-31 23:59:59.999999",
         "294276-12-31T23:59:59.999999"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "2026-11-22 10:00:00+00", "2026-11-22T10:00:00+00:00"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "2026-11-22 10:00:00.5-08", "2026-11-22T10:00:00.5-08:00"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "2026-11-22 10:00:00+05:30", "2026-11-22T10:00:00+05:30"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "1800-01-01 10:00:00+05:30:15",
         "1800-01-01T10:00:00+05:30:15"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "0044-03-15 10:00:00+00 BC", "0044-03-15T10:00:00+00:00 BC"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "infinity", "infinity"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "x", "x"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, " ", " "},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "1 1+", "1T1+"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "1 1+00", "1T1+00:00"},
        {1184, LEAT_VALUE_TIMESTAMPTZ, "", ""},
    };
    CHECK((struct fixture *)*state, rows);
}

static void json(void **state)
{
    static const struct expected rows[] = {
        {114, LEAT_VALUE_JSON, " { \"a\" : [ 1 , 2.50e+3 , \" x \\u0041\\\" \" ] ,\t\"a\":null }\n",
         "{\"a\":[1,2.50e+3,\" x \\u0041\\\" \"],\"a\":null}"},
        {3802, LEAT_VALUE_JSON, "{\"b\": true, \"c\": false}", "{\"b\":true,\"c\":false}"},
        {114, LEAT_VALUE_JSON, "-0", "-0"},
        {114, LEAT_VALUE_JSON, "\"a long string without anything to drop\"",
         "\"a long string without anything to drop\""},
        {114, LEAT_VALUE_JSON, "[ ]", "[]"},
        {114, LEAT_VALUE_JSON, "{ }", "{}"},
        {114, 0, "", NULL},
        {114, 0, " ", NULL},
        {114, 0, "{", NULL},
        {114, 0, "[1 2]", NULL},
        {114, 0, "[1,]", NULL},
        {114, 0, "{\"a\"}", NULL},
        {114, 0, "{\"a\":1,}", NULL},
        {114, 0, "{1:1}", NULL},
        {114, 0, "[}", NULL},
        {114, 0, "1 1", NULL},
        {114, 0, "01", NULL},
        {114, 0, "+1", NULL},
        {114, 0, "tru", NULL},
        {114, 0, "nulls", NULL},
        {114, 0, "\"a", NULL},
        {114, 0, "\"\n\"", NULL},
        {114, 0, "\"\\x\"", NULL},
        {114, 0, "\"\\u00g0\"", NULL},
        {114, 0, "]", NULL},
    };
    CHECK((struct fixture *)*state, rows);
}

static void arrays(void **state)
{
    static const struct expected rows[] = {
        {1007, LEAT_VALUE_JSON, "{}", "[]"},
        {1007, LEAT_VALUE_JSON, "{1,NULL,-3}", "[1,null,-3]"},
        {1007, LEAT_VALUE_JSON, "{{1,2},{3,4}}", "[[1,2],[3,4]]"},
        {1007, LEAT_VALUE_JSON, "[2:3]={1,2}", "[1,2]"},
        {1007, LEAT_VALUE_JSON, "[0:0][-5:-4]={{1,2}}", "[[1,2]]"},
        {1000, LEAT_VALUE_JSON, "{t,f,NULL}", "[true,false,null]"},
        {1022, LEAT_VALUE_JSON, "{1.5,NaN,-Infinity,1e+300}", "[1.5,\"NaN\",\"-Infinity\",1e+300]"},
        {1009, LEAT_VALUE_JSON, "{a,\"NULL\",NULL,\"\",\"a b\",\"\\\"\\\\\",NULLS,NU,N}",
         "[\"a\",\"NULL\",null,\"\",\"a b\",\"\\\"\\\\\",\"NULLS\",\"NU\",\"N\"]"},
        {1009, LEAT_VALUE_JSON, "{\"\n\x01\",\x7f}", "[\"\\n\\u0001\",\"\x7f\"]"},
        {1020, LEAT_VALUE_JSON, "{(1,1),(0,0);(2,2),(1,1)}", "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]"},
        {1115, LEAT_VALUE_JSON, "{\"2026-11-22 10:00:00\",infinity}",
         "[\"2026-11-22T10:00:00\",\"infinity\"]"},
        {1185, LEAT_VALUE_JSON, "{\"2026-11-22 10:00:00+00\"}", "[\"2026-11-22T10:00:00+00:00\"]"},
        {1001, LEAT_VALUE_JSON, "{\"\\\\x0a\"}", "[\"\\\\x0a\"]"},
        {199, LEAT_VALUE_JSON, "{\"{\\\"a\\\": [1, \\\"\\\\\\\\\\\"]}\",1}",
         "[{\"a\":[1,\"\\\\\"]},1]"},
        {1028, LEAT_VALUE_JSON, "{26}", "[\"26\"]"},
        {22, LEAT_VALUE_JSON, "1 2 -3", "[1,2,-3]"},
        {22, LEAT_VALUE_JSON, "", "[]"},
        {30, LEAT_VALUE_JSON, "1 2", "[\"1\",\"2\"]"},
        {1006, LEAT_VALUE_JSON, "{\"1 2\",3}", "[[1,2],[3]]"},
        {1007, 0, "", NULL},
        {1007, 0, "{", NULL},
        {1007, 0, "{1", NULL},
        {1007, 0, "{1,", NULL},
        {1007, 0, "{1,}", NULL},
        {1007, 0, "{,1}", NULL},
        {1007, 0, "{1}x", NULL},
        {1007, 0, "{1}}", NULL},
        {1007, 0, "{{{{{{{1}}}}}}}", NULL},
        {1007, 0, "{a}", NULL},
        {1007, 0, "{\"1", NULL},
        {1007, 0, "[1:2]{1,2}", NULL},
        {1007, 0, "[1:]={1}", NULL},
        {1000, 0, "{true}", NULL},
        {1009, 0, "{\"a\\", NULL},
        {1009, 0, "{a\"b}", NULL},
        {1115, 0,
         "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", NULL},
        {199, 0, "{tru}", NULL},
        {22, 0, "1  2", NULL},
        {22, 0, "1 2 ", NULL},
        {22, 0, "1,2", NULL},
    };
    CHECK((struct fixture *)*state, rows);
}

static void long_numbers_in_arrays(void **state)
{
    struct fixture *f = *state;
    char text[1100] = "{", expected[1100] = "[";
    memset(text + 1, '7', 1000);
    strcpy(text + 1001, "}");
    memset(expected + 1, '7', 1000);
    strcpy(expected + 1001, "]");
    assert_value(value_of(f, 1231, text), LEAT_VALUE_JSON, expected);
    text[500] = 'x';
    assert_null(value_of(f, 1231, text));
}

static struct type_attribute attributes[] = {{"a", 23}, {"the \"b\"", 25}, {"c", 1007}};
static struct type_attribute outer_attributes[] = {{"in", 20001}, {"many", 20002}};

static void define_types(struct fixture *f)
{
    f->types[0] = (struct type_info){TYPE_DOMAIN, 1700, 0, NULL, 0};
    f->types[1] = (struct type_info){TYPE_COMPOSITE, 0, 0, attributes, 3};
    f->types[2] = (struct type_info){TYPE_ARRAY, 20001, ',', NULL, 0};
    f->types[3] = (struct type_info){TYPE_COMPOSITE, 0, 0, outer_attributes, 2};
    f->types[4] = (struct type_info){TYPE_ARRAY, 20000, ',', NULL, 0};
    f->types[5] = (struct type_info){TYPE_DOMAIN, 20004, 0, NULL, 0};
    f->types[6] = (struct type_info){TYPE_ENUM, 0, 0, NULL, 0};
    f->types[7] = (struct type_info){TYPE_COMPOSITE, 0, 0, attributes, 0};
    f->types[8] = (struct type_info){TYPE_COMPOSITE, 0, 0, attributes, 1};
    f->types[9] = (struct type_info){TYPE_DOMAIN, 20009, 0, NULL, 0};
}

static void looked_up_types(void **state)
{
    static const struct expected rows[] = {
        {20000, LEAT_VALUE_DECIMAL, "1.50", "1.50"},
        {20001, LEAT_VALUE_TEXT, "(1,x,{1})", "(1,x,{1})"},
        {20002, LEAT_VALUE_JSON, "{\"(1,x,)\"}", "[\"(1,x,)\"]"},
        {20005, LEAT_VALUE_JSON, "{1.5,NaN}", "[1.5,\"NaN\"]"},
        {20006, LEAT_VALUE_TEXT, "sad", "sad"},
        {20009, LEAT_VALUE_TEXT, "a domain of itself", "a domain of itself"},
        {20031, LEAT_VALUE_TEXT, "gone", "gone"},
    };
    define_types(*state);
    CHECK((struct fixture *)*state, rows);
}

static void nested_composites(void **state)
{
    struct fixture *f = *state;
    static const struct expected rows[] = {
        {20001, LEAT_VALUE_JSON, "(1,x,\"{1,NULL}\")",
         "{\"a\":1,\"the \\\"b\\\"\":\"x\",\"c\":[1,null]}"},
        {20001, LEAT_VALUE_JSON, "(,,)", "{\"a\":null,\"the \\\"b\\\"\":null,\"c\":null}"},
        {20001, LEAT_VALUE_JSON, "(,\"\",)", "{\"a\":null,\"the \\\"b\\\"\":\"\",\"c\":null}"},
        {20001, LEAT_VALUE_JSON, "(1,\"a\"\"b\\\\c,)\",)",
         "{\"a\":1,\"the \\\"b\\\"\":\"a\\\"b\\\\c,)\",\"c\":null}"},
        {20001, LEAT_VALUE_JSON, "(1,x)", "\"(1,x)\""},
        {20001, LEAT_VALUE_JSON, "(1,x,{1},4)", "\"(1,x,{1},4)\""},
        {20002, LEAT_VALUE_JSON, "{\"(1,\\\"a \\\"\\\"b\\\\\\\\c\\\",{2})\",NULL}",
         "[{\"a\":1,\"the \\\"b\\\"\":\"a \\\"b\\\\c\",\"c\":[2]},null]"},
        {20003, LEAT_VALUE_JSON, "(\"(1,x,)\",\"{\"\"(2,y,)\"\"}\")",
         "{\"in\":{\"a\":1,\"the \\\"b\\\"\":\"x\",\"c\":null},\"many\":[{\"a\":2,\"the "
         "\\\"b\\\"\":\"y\",\"c\":null}]}"},
        {20003, LEAT_VALUE_JSON, "(\"(1,x)\",)", "{\"in\":\"(1,x)\",\"many\":null}"},
        {20007, LEAT_VALUE_JSON, "()", "{}"},
        {20008, LEAT_VALUE_JSON, "()", "{\"a\":null}"},
        {20008, LEAT_VALUE_JSON, "(5)", "{\"a\":5}"},
        {20001, LEAT_VALUE_JSON, "(y,x,)", "\"(y,x,)\""},
        {20001, LEAT_VALUE_JSON, "(1,x,{1)", "\"(1,x,{1)\""},
        {20002, LEAT_VALUE_JSON, "{\"(y,\\\"a b\\\",)\",\"(2,z,)\"}",
         "[\"(y,\\\"a b\\\",)\",{\"a\":2,\"the \\\"b\\\"\":\"z\",\"c\":null}]"},
        {20003, LEAT_VALUE_JSON, "(\"(y,x,)\",\"{\"\"(2,y,)\"\"}\")",
         "{\"in\":\"(y,x,)\",\"many\":[{\"a\":2,\"the \\\"b\\\"\":\"y\",\"c\":null}]}"},
        {20001, 0, "(1,x,)z", NULL},
        {20001, 0, "(1,x,", NULL},
        {20001, 0, "(1,\"x,)", NULL},
        {20001, 0, "1,x,)", NULL},
        {20001, 0, "", NULL},
        {20008, 0, "(5\\", NULL},
    };
    define_types(f);
    f->options.composite = DECODE_COMPOSITE_NESTED;
    CHECK(f, rows);
}

static void text_by_option(void **state)
{
    struct fixture *f = *state;
    static const struct expected rows[] = {
        {114, LEAT_VALUE_TEXT, "{ }", "{ }"},
        {1007, LEAT_VALUE_TEXT, "{1}", "{1}"},
        {22, LEAT_VALUE_TEXT, "1 2", "1 2"},
        {20004, LEAT_VALUE_TEXT, "{1}", "{1}"},
    };
    define_types(f);
    f->options.json = DECODE_JSON_TEXT;
    f->options.array = DECODE_ARRAY_TEXT;
    CHECK(f, rows);
}

static void flags_say_what_needs_no_escape(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(value_of(f, 23, "1")->flags, LEAT_VALUE_PLAIN);
    assert_int_equal(value_of(f, 20, "1")->flags, LEAT_VALUE_PLAIN | LEAT_VALUE_INT64);
    assert_int_equal(value_of(f, 1184, "2026-11-22 10:00:00+00")->flags, LEAT_VALUE_PLAIN);
    assert_int_equal(value_of(f, 2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")->flags,
                     LEAT_VALUE_PLAIN);
    assert_int_equal(value_of(f, 2950, "a0eebc99-9c0b-4\"f8-bb6d-6bb9bd380a11")->flags, 0);
    assert_int_equal(value_of(f, 1082, "2026-11-2\\")->flags, 0);
    assert_int_equal(value_of(f, 1082, "\xff\x01")->flags, 0);
    assert_int_equal(value_of(f, 25, "plain")->flags, 0);
}

static void types_are_kept_and_bounded(void **state)
{
    struct fixture *f = *state;
    define_types(f);
    f->options.types_max = 2;
    f->options.composite = DECODE_COMPOSITE_NESTED;
    fixture_restart(f);
    assert_non_null(value_of(f, 20000, "1"));
    assert_non_null(value_of(f, 20000, "1"));
    assert_int_equal(f->type_asked, 1);
    /* Four types pass through a cache of two, and all stay right. */
    assert_value(value_of(f, 20003, "(,)"), LEAT_VALUE_JSON, "{\"in\":null,\"many\":null}");
    assert_value(value_of(f, 20005, "{1}"), LEAT_VALUE_JSON, "[1]");
    assert_value(value_of(f, 20003, "(,)"), LEAT_VALUE_JSON, "{\"in\":null,\"many\":null}");
}

static void deep_types_end_as_text(void **state)
{
    struct fixture *f = *state;
    const leat_value *value;
    uint32_t texts = 0;
    for (uint32_t i = 0; i < 31; i++)
        f->types[i] = (struct type_info){TYPE_ARRAY, 20001 + i, ',', NULL, 0};
    value = value_of(f, 20000, "{NULL}");
    assert_non_null(value);
    /* From the other end, where each finds the one below in the cache. */
    decoder_begin_stream(f->decoder);
    feed_begin_ok(f, 0x900);
    for (uint32_t i = 31; i-- > 0;) {
        value = value_of(f, 20000 + i, "{NULL}");
        assert_non_null(value);
        texts += value->kind == LEAT_VALUE_TEXT;
    }
    assert_true(texts > 0 && texts < 31);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scalars),
        TEST(timestamps),
        TEST(json),
        TEST(arrays),
        TEST(long_numbers_in_arrays),
        TEST(looked_up_types),
        TEST(nested_composites),
        TEST(text_by_option),
        TEST(flags_say_what_needs_no_escape),
        TEST(types_are_kept_and_bounded),
        TEST(deep_types_end_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
