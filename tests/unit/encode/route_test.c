/* SPDX-License-Identifier: Apache-2.0
 *
 * route_test.c -- templates, escaping, rule lists and their cache.
 */
#include "route.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const leat_route_rules subject = {
    .allowed = LETTERS "_-", .literal = ".", .escape = '%', .max_length = 200};
static const leat_route_rules topic = {
    .allowed = LETTERS "_", .literal = ".-", .escape = '-', .max_length = 60};
static const leat_route_rules folder = {
    .allowed = LETTERS "_-.", .literal = "/", .escape = '%', .max_length = 200};

static const char *const columns[] = {"id", "status", "note", NULL};

static void checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const leat_route_rules *rules;
        const char *wrong; /* part of the text; NULL: right */
        size_t at;
    } cases[] = {{"cdc.{schema}.{table}.{op}", &subject, NULL, 0},
                 {"cdc.{key.id}.{prefix}", &subject, NULL, 0},
                 {"{schema}", &subject, NULL, 0},
                 {"a{schema}b", &subject, NULL, 0},
                 {"cdc.{nope}", &subject, "{nope} is unknown", 4},
                 {"cdc.{key.}", &subject, "is unknown", 4},
                 {"cdc.{", &subject, "'{' without", 4},
                 {"cdc.{schema", &subject, "'{' without", 4},
                 {"cdc.{sch{ema}", &subject, "'{' without", 4},
                 {"cdc}", &subject, "'}' without", 3},
                 {"cdc.{{x", &subject, "'{' cannot stand", 4},
                 {"cdc.>", &subject, "'>' cannot stand", 4},
                 {"cdc *", &subject, "0x20 cannot stand", 3},
                 {"", &subject, "nothing stands", 0},
                 {".a", &subject, "nothing stands", 2},
                 {"a.", &subject, "nothing stands", 2},
                 {"a..b", &subject, "nothing stands", 4},
                 {"{schema}.", &subject, "nothing stands", 9},
                 {"cdc.{schema}-{table}", &topic, NULL, 0},
                 {"{schema}/{table}", &folder, NULL, 0},
                 {"/{schema}", &folder, "nothing stands", 9},
                 {"{schema}//{table}", &folder, "nothing stands", 17},
                 {"{schema}/..", &folder, "folder cannot be", 11},
                 {"./{schema}", &folder, "folder cannot be", 10},
                 {"../a", &folder, "folder cannot be", 4},
                 {".../.{schema}", &folder, NULL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[256];
        size_t at = 0;
        const char *wrong = route_check(cases[i].text, cases[i].rules, error, sizeof error, &at);
        if ((wrong != NULL) != (cases[i].wrong != NULL) ||
            (wrong && !strstr(wrong, cases[i].wrong)) || (wrong && at != cases[i].at))
            fail_msg("%s: %s at %zu", cases[i].text, wrong ? wrong : "taken", at);
    }
    leat_route_rules braces = subject;
    braces.literal = ".{}";
    size_t at;
    assert_null(route_check("a.{{x}}", &braces, (char[64]){0}, 64, &at));
}

struct fixture {
    struct sample_table table;
    struct router *router;
    leat_change change;
    leat_value before[3], after[3];
    unsigned char dst[256];
    leat_error error;
};

static void begin(struct fixture *fixture, const struct config_sink *sink,
                  const leat_route_rules *rules)
{
    char error[512] = "";
    *fixture = (struct fixture){.error = {.size = sizeof fixture->error}};
    sample_table_init(&fixture->table, "pub.lic", "or ders", columns, 1);
    fixture->router = router_create(sink, rules, error, sizeof error);
    if (!fixture->router)
        fail_msg("%s", error);
    for (int i = 0; i < 3; i++)
        fixture->before[i] = fixture->after[i] = sample_value(LEAT_VALUE_TEXT, "7");
    fixture->change = (leat_change){.op = LEAT_INSERT, .relation = &fixture->table.relation};
    fixture->change.u.row.key = fixture->change.u.row.after = fixture->after;
}

static void end(struct fixture *fixture)
{
    router_destroy(fixture->router);
    sample_table_fini(&fixture->table);
}

static void expect(struct fixture *fixture, const char *wanted)
{
    for (int again = 0; again < 2; again++) { /* the second time out of the cache */
        leat_bytes out;
        leat_status status = router_resolve(fixture->router, &fixture->change, fixture->dst,
                                            sizeof fixture->dst, &out, &fixture->error);
        if (!wanted) {
            assert_int_equal(status, LEAT_EREJECT);
            assert_int_equal(fixture->error.status, LEAT_EREJECT);
            assert_true(fixture->error.text[0] != 0);
            continue;
        }
        assert_int_equal(status, LEAT_OK);
        char text[300];
        (void)snprintf(text, sizeof text, "%.*s", (int)out.len, out.ptr);
        assert_string_equal(text, wanted);
    }
}

static void resolved(void **state)
{
    (void)state;
    struct fixture fixture;
    struct config_sink sink = {.route = "cdc.{schema}.{table}.{op}.{key.id}"};
    begin(&fixture, &sink, &subject);
    expect(&fixture, "cdc.pub%2elic.or%20ders.insert.7");
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, "");
    expect(&fixture, "cdc.pub%2elic.or%20ders.insert.%");
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, ">*\xc3\xbc%");
    expect(&fixture, "cdc.pub%2elic.or%20ders.insert.%3e%2a%c3%bc%25");
    fixture.after[0] = (leat_value){.kind = LEAT_VALUE_NULL};
    expect(&fixture, NULL);
    assert_non_null(strstr(fixture.error.text, "id"));
    fixture.change.op = LEAT_TRUNCATE; /* no row, so an empty name */
    fixture.change.u.row.key = fixture.change.u.row.after = NULL;
    expect(&fixture, "cdc.pub%2elic.or%20ders.truncate.%");
    fixture.change.op = LEAT_MESSAGE;
    fixture.change.relation = NULL;
    fixture.change.u.message.prefix = (leat_bytes){"a.b", 3};
    expect(&fixture, "cdc.%.%.message.%");
    end(&fixture);

    sink.route = "m.{prefix}";
    begin(&fixture, &sink, &subject);
    expect(&fixture, "m.%");
    fixture.change.op = LEAT_MESSAGE;
    fixture.change.relation = NULL;
    fixture.change.u.message.prefix = (leat_bytes){"a.b", 3};
    expect(&fixture, "m.a%2eb");
    fixture.change.u.message.prefix = (leat_bytes){"c", 1}; /* not what the cache has */
    expect(&fixture, "m.c");
    end(&fixture);

    sink.route = "{key.status}"; /* not a key column */
    begin(&fixture, &sink, &subject);
    expect(&fixture, NULL);
    end(&fixture);
}

static void nothing_configured(void **state)
{
    (void)state;
    struct fixture fixture;
    struct config_sink sink = {.route = NULL};
    begin(&fixture, &sink, NULL);
    expect(&fixture, "");
    end(&fixture);
    begin(&fixture, &sink, &subject);
    expect(&fixture, "");
    end(&fixture);
    leat_route_rules with_fallback = subject;
    with_fallback.fallback = "leat.{table}";
    begin(&fixture, &sink, &with_fallback);
    expect(&fixture, "leat.or%20ders");
    end(&fixture);
}

static void too_long_and_too_little_room(void **state)
{
    (void)state;
    struct fixture fixture;
    struct config_sink sink = {.route = "cdc.{table}.{key.id}"};
    begin(&fixture, &sink, &topic);
    leat_bytes out;
    for (size_t room = 0; room < 40; room++) {
        unsigned char *block = malloc(room != 0 ? room : 1);
        leat_status status =
            router_resolve(fixture.router, &fixture.change, block, room, &out, &fixture.error);
        assert_int_equal(status, room < strlen("cdc.or-20ders.7") ? LEAT_AGAIN : LEAT_OK);
        free(block);
    }
    fixture.after[0] =
        sample_value(LEAT_VALUE_TEXT, "0123456789012345678901234567890123456789012345678");
    expect(&fixture, NULL);
    fixture.after[0].len = 46; /* exactly max_length */
    assert_int_equal(
        router_resolve(fixture.router, &fixture.change, fixture.dst, 60, &out, &fixture.error),
        LEAT_OK);
    assert_int_equal(out.len, 60);
    end(&fixture);

    sink.route = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.{table}";
    begin(&fixture, &sink, &topic);
    expect(&fixture, NULL); /* not by row: the cache must not hide it */
    end(&fixture);
}

static void no_name_leaves_its_folder(void **state)
{
    (void)state;
    struct fixture fixture;
    struct config_sink sink = {.route = "{key.id}/{table}"};
    begin(&fixture, &sink, &folder);
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, "..");
    expect(&fixture, NULL);
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, ".");
    expect(&fixture, NULL);
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, "...");
    expect(&fixture, ".../or%20ders");
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, "../x");
    expect(&fixture, "..%2fx/or%20ders");
    end(&fixture);
}

static leat_strings list(const char *const *items, size_t count)
{
    return (leat_strings){items, count};
}

static void rules_are_tried_in_order(void **state)
{
    (void)state;
    static const char *const pub[] = {"pub*"}, *const audit[] = {"audit_?", "*ders"},
                             *const dels[] = {"delete", "truncate"};
    const struct config_route routes[] = {
        {.schema = list(pub, 1), .op = list(dels, 2), .route = "gone.{table}"},
        {.table = list(audit, 2), .route = "audit.{table}"}};
    struct config_sink sink = {.routes = routes, .route_count = 2, .route = "rest"};
    struct fixture fixture;
    begin(&fixture, &sink, &subject);
    expect(&fixture, "audit.or%20ders");
    fixture.change.op = LEAT_DELETE;
    expect(&fixture, "gone.or%20ders");
    struct sample_table other;
    sample_table_init(&other, "x", "other", columns, 1);
    fixture.change.relation = &other.relation;
    expect(&fixture, "rest");
    fixture.change = (leat_change){.op = LEAT_MESSAGE};
    expect(&fixture, "rest"); /* a rule with a table does not match it */
    end(&fixture);
    sink.route = NULL;
    begin(&fixture, &sink, &subject);
    expect(&fixture, "audit.or%20ders");
    fixture.change.relation = &other.relation;
    expect(&fixture, NULL);
    assert_non_null(strstr(fixture.error.text, "no entry of `routes` matches"));
    end(&fixture);
    sample_table_fini(&other);
}

static void changed_columns(void **state)
{
    (void)state;
    static const char *const watched[] = {"status", "id", "unknown"};
    const struct config_route routes[] = {{.changed = list(watched, 3), .route = "moved.{key.id}"}};
    struct config_sink sink = {.routes = routes, .route_count = 1, .route = "rest"};
    struct fixture fixture;
    begin(&fixture, &sink, &subject);
    leat_value missing = {.kind = LEAT_VALUE_MISSING}, null = {.kind = LEAT_VALUE_NULL};
    expect(&fixture, "rest"); /* an insert */
    fixture.change.op = LEAT_UPDATE;
    fixture.change.u.row.before = fixture.before;
    expect(&fixture, "rest"); /* nothing changed */
    fixture.after[2] = sample_value(LEAT_VALUE_TEXT, "8");
    expect(&fixture, "rest"); /* another column did */
    fixture.after[1] = sample_value(LEAT_VALUE_TEXT, "8");
    expect(&fixture, "moved.7");
    fixture.after[1] = null;
    expect(&fixture, "moved.7");
    fixture.before[1] = null;
    expect(&fixture, "rest");
    fixture.after[1] = missing;
    expect(&fixture, "rest"); /* not sent: unchanged */
    fixture.change.u.row.before = NULL;
    expect(&fixture, "rest");
    fixture.after[1] = sample_value(LEAT_VALUE_TEXT, "7");
    expect(&fixture, "moved.7"); /* no old row: nobody knows */
    fixture.after[1] = missing;
    fixture.change.u.row.key = fixture.before; /* the old key was sent */
    fixture.before[0] = sample_value(LEAT_VALUE_TEXT, "6");
    expect(&fixture, "rest"); /* but is not said to be another */
    fixture.change.flags = LEAT_CHANGE_KEY_CHANGED;
    expect(&fixture, "moved.6");
    end(&fixture);
}

static void wrong_configurations_say_why(void **state)
{
    (void)state;
    static const char *const ops[] = {"insert", "upsert"};
    const struct config_route unknown = {.op = list(ops, 2), .route = "a"}, bad = {.route = "a..b"};
    struct config_sink sinks[] = {{.routes = &unknown, .route_count = 1},
                                  {.routes = &bad, .route_count = 1},
                                  {.route = "{x}"}};
    static const char *const wanted[] = {"\"upsert\" is unknown", "nothing stands",
                                         "{x} is unknown"};
    for (int i = 0; i < 3; i++) {
        char error[256];
        assert_null(router_create(&sinks[i], &subject, error, sizeof error));
        assert_non_null(strstr(error, wanted[i]));
    }
}

/* Two names give one route only when they are the same name. */
static void escaping_is_injective(void **state)
{
    (void)state;
    const leat_route_rules *all[] = {&subject, &topic, &folder};
    static const char pieces[][4] = {"a",    "%", "-", ".",  "2",  "e",
                                     "\xc3", "_", "0", "%2", "-2", ""};
    uint64_t seed = 9;
    struct config_sink sink = {.route = "x.{table}"};
    for (size_t r = 0; r < 3; r++) {
        sink.route = all[r] == &folder ? "x/{table}" : "x.{table}";
        char names[1500][16], routes[1500][64];
        char error[256];
        struct router *router = router_create(&sink, all[r], error, sizeof error);
        for (size_t i = 0; i < 1500; i++) {
            names[i][0] = 0;
            for (uint64_t j = sample_below(&seed, 5); j > 0; j--)
                strcat(names[i], pieces[sample_below(&seed, sizeof pieces / sizeof *pieces)]);
            leat_relation relation = {.size = sizeof relation, .id = i + 1};
            relation.table = (leat_bytes){names[i], strlen(names[i])};
            leat_change change = {.op = LEAT_TRUNCATE, .relation = &relation};
            leat_bytes out;
            unsigned char dst[64];
            leat_error why = {.size = sizeof why};
            bool ok = router_resolve(router, &change, dst, sizeof dst, &out, &why) == LEAT_OK;
            (void)snprintf(routes[i], 64, "%.*s", ok ? (int)out.len : 0, ok ? out.ptr : "");
            for (size_t j = 0; ok && j < i; j++) {
                if (strcmp(names[i], names[j]) != 0 && strcmp(routes[i], routes[j]) == 0)
                    fail_msg("\"%s\" and \"%s\" both give %s", names[i], names[j], routes[i]);
            }
            for (size_t j = 2; ok && j < out.len; j++)
                assert_non_null(strchr(all[r]->allowed, out.ptr[j]) ? all
                                : out.ptr[j] == all[r]->escape      ? all
                                                                    : NULL);
        }
        router_destroy(router);
    }
}

/* Rules that allow their own escape would not be injective: it is escaped all the same. */
static void escape_itself_is_always_escaped(void **state)
{
    (void)state;
    leat_route_rules careless = subject;
    careless.allowed = LETTERS "%";
    struct fixture fixture;
    struct config_sink sink = {.route = "{key.id}"};
    begin(&fixture, &sink, &careless);
    fixture.after[0] = sample_value(LEAT_VALUE_TEXT, "%20");
    expect(&fixture, "%2520");
    end(&fixture);
}

/* More relations than the cache holds. */
static void cache_is_bounded_and_right(void **state)
{
    (void)state;
    struct config_sink sink = {.route = "t.{table}.{op}"};
    char error[256], name[32], wanted[64];
    struct router *router = router_create(&sink, &subject, error, sizeof error);
    for (unsigned i = 0; i < 60000; i++) {
        leat_relation relation = {.size = sizeof relation, .id = 1 + i % 20000};
        (void)snprintf(name, sizeof name, "t%u", i % 20000);
        relation.table = (leat_bytes){name, strlen(name)};
        leat_change change = {.op = (uint16_t)(1 + i % 3), .relation = &relation};
        leat_bytes out;
        unsigned char dst[200];
        leat_error why = {.size = sizeof why};
        assert_int_equal(router_resolve(router, &change, dst, sizeof dst, &out, &why), LEAT_OK);
        int len = snprintf(wanted, sizeof wanted, "t.%s.%s", name,
                           i % 3 == 0   ? "insert"
                           : i % 3 == 1 ? "update"
                                        : "delete");
        assert_int_equal(out.len, len);
        assert_memory_equal(out.ptr, wanted, out.len);
    }
    router_destroy(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked),
        cmocka_unit_test(resolved),
        cmocka_unit_test(nothing_configured),
        cmocka_unit_test(too_long_and_too_little_room),
        cmocka_unit_test(no_name_leaves_its_folder),
        cmocka_unit_test(rules_are_tried_in_order),
        cmocka_unit_test(changed_columns),
        cmocka_unit_test(wrong_configurations_say_why),
        cmocka_unit_test(escaping_is_injective),
        cmocka_unit_test(escape_itself_is_always_escaped),
        cmocka_unit_test(cache_is_bounded_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
