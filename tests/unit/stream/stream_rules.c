/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_rules.c -- what needs no server: positions, feedback's times, the slot's rules, quoting,
 * what becomes of a dsn.
 */
#include "connect.h"
#include "fault.h"
#include "feedback.h"
#include "guard_look.h"
#include "inquiry.h"
#include "slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)

static void lsns_are_read_strictly(void **state)
{
    (void)state;
    uint64_t lsn = 7;
    char text[WAL_TEXT];
    assert_true(wal_parse("16/B374D848", &lsn));
    assert_string_equal(wal_print(lsn, text), "16/B374D848");
    assert_true(wal_parse("FFFFFFFF/FFFFFFFF", &lsn) && lsn == UINT64_MAX);
    lsn = 7;
    const char *const bad[] = {"",      "/",    "1",           "1/",          "/1",
                               "1/2/3", "1/2 ", "123456789/1", "1/123456789", "g/1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(wal_parse(bad[i], &lsn));
    assert_int_equal(lsn, 7);
}

static void only_the_durable_position_is_confirmed(void **state)
{
    (void)state;
    struct feedback feedback;
    char message[FEEDBACK_SIZE];
    feedback_begin(&feedback, (wal_durable){100}, 10000, 60000, 0);
    feedback_see(&feedback, (wal_seen){900});
    feedback_message(&feedback, 0, INT64_C(946684800000001), true, message);
    assert_int_equal(message[0], 'r');
    assert_int_equal(wal_get64(message + 1), 900);
    assert_int_equal(wal_get64(message + 9), 100);
    assert_int_equal(wal_get64(message + 17), 100);
    assert_int_equal(wal_get64(message + 25), 1);
    assert_int_equal(message[33], 1);
    feedback_durable(&feedback, (wal_durable){50});
    feedback_message(&feedback, 0, 0, false, message);
    assert_int_equal(wal_get64(message + 9), 100);
}

static void feedback_is_in_time_and_no_storm(void **state)
{
    (void)state;
    struct feedback feedback;
    char message[FEEDBACK_SIZE];
    feedback_begin(&feedback, (wal_durable){100}, 10000, 2000, 0);
    assert_true(feedback_due(&feedback) <= 0);
    feedback_message(&feedback, 1000 * MS, 0, false, message);
    assert_int_equal(feedback_due(&feedback), 1500 * MS); /* a quarter of the server's time-out */
    feedback.owed = true;
    assert_int_equal(feedback_due(&feedback), 1100 * MS); /* nothing better to say: a pause */
    feedback_durable(&feedback, (wal_durable){200});
    assert_int_equal(feedback_due(&feedback), 1000 * MS); /* better, and asked for: at once */
    feedback.owed = false;
    assert_int_equal(feedback_due(&feedback), 1100 * MS);
}

static void names_are_quoted_for_both_grammars(void **state)
{
    (void)state;
    const char *const names[] = {"a\"b", "c'd, \\e"};
    struct text *out = text_create();
    inquiry_quote_publications(out, (leat_strings){names, 2});
    assert_string_equal(out->data, "'\"a\"\"b\",\"c''d, \\e\"'");
    text_reset(out);
    inquiry_quote_sql(out, "it's", '\'');
    inquiry_quote_sql(out, "a\\b'", '\'');
    assert_string_equal(out->data, "'it''s'E'a\\\\b'''");
    text_destroy(out);
}

static const char *value_of(PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val ? options->val : "";
    return "";
}

static void ours_wins_over_the_users_options(void **state)
{
    (void)state;
    PGconn *conn;
    leat_error error = {.size = sizeof error};
    assert_int_equal(connect_begin("host=/nonexistent,/elsewhere port=1,2 replication=true "
                                   "keepalives_idle=99 options='-c TimeZone=CET -c x=\\\\'",
                                   CONNECT_REPLICATION, 1, &conn, &error),
                     LEAT_OK);
    PQconninfoOption *options = PQconninfo(conn);
    assert_string_equal(value_of(options, "replication"), "database");
    assert_string_equal(value_of(options, "host"), "/elsewhere,/nonexistent");
    assert_string_equal(value_of(options, "port"), "2,1");
    assert_string_equal(value_of(options, "keepalives_idle"), "99");
    assert_string_equal(value_of(options, "client_encoding"), "UTF8");
    assert_string_equal(value_of(options, "target_session_attrs"), "read-write");
    const char *text = value_of(options, "options");
    assert_int_equal(strncmp(text, "-c TimeZone=CET -c x= -c TimeZone=UTC ", 37), 0);
    PQconninfoFree(options);
    PQfinish(conn);
}

static void a_bad_dsn_is_not_quoted(void **state)
{
    (void)state;
    PGconn *conn;
    leat_error error = {.size = sizeof error};
    assert_int_equal(connect_begin("password=geheim 'geheim", CONNECT_PLAIN, 0, &conn, &error),
                     LEAT_ECONFIG);
    assert_null(strstr(error.text, "geheim"));
    assert_int_equal(error.exit_code, 78);
}

static void lines_are_clean(void **state)
{
    (void)state;
    char out[16];
    assert_string_equal(fault_line(out, sizeof out, "\n a\r\n\t b\x1b[1m "), "a b [1m");
    assert_string_equal(fault_line(out, 4, "abcdef"), "abc");
    assert_string_equal(fault_line(out, sizeof out, NULL), "");
}

/* ---- the slot -------------------------------------------------------------------------------- */

static struct origin_facts good(void)
{
    return (struct origin_facts){
        .system_identifier = "1",
        .timeline = "1",
        .database = "shop",
        .wal_position = 1000,
        .version = 150000,
        .wal_logical = true,
        .slot = {.exists = true,
                 .plugin = "pgoutput",
                 .type = "logical",
                 .database = "shop",
                 .wal_status = "reserved",
                 .confirmed_lsn = 500},
    };
}

static void a_slot_is_judged(void **state)
{
    (void)state;
    const struct pgoutput_options options = {.slot = "s", .create_slot = true};
    leat_error error = {.size = sizeof error};
    struct slot_memory none = {0}, known = {.position = 600};
    struct origin_facts facts = good();
    uint64_t start = 0;
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_STREAM);
    assert_int_equal(start, 500);
    /* A server that forgot what it was told (a crash) is behind us: that is no gap. */
    assert_int_equal(slot_judge(&options, &facts, &known, &start, &error), SLOT_STREAM);
    assert_int_equal(start, 600);
    facts.slot.confirmed_lsn = 601;
    assert_int_equal(slot_judge(&options, &facts, &known, &start, &error), SLOT_PROVE);
    assert_int_equal(start, 601);
    assert_int_equal(error.exit_code, 65);
    facts = good();
    facts.wal_position = 599;
    assert_int_equal(slot_judge(&options, &facts, &known, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 65);
    facts = good();
    facts.slot.exists = false;
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_CREATE);
    assert_int_equal(slot_judge(&options, &facts, &known, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 65);
    facts = good();
    (void)strcpy(facts.slot.wal_status, "lost");
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 65);
    facts = good();
    (void)strcpy(facts.slot.database, "other");
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 78);
    facts = good();
    facts.slot.two_phase = true;
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 78);
    assert_non_null(strstr(error.text, "two_phase"));
    facts.version = 140022; /* whose pgoutput sends no prepared transaction */
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_STREAM);
    facts = good();
    facts.wal_logical = false;
    assert_int_equal(slot_judge(&options, &facts, &none, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 78);
}

static void a_slot_that_was_moved_on_needs_a_reason(void **state)
{
    (void)state;
    struct pgoutput_options options = {.slot = "s", .create_slot = true};
    leat_error error = {.size = sizeof error};
    struct slot_memory memory = {.position = 600};
    struct origin_facts facts = good();
    uint64_t start = 0;
    facts.slot.confirmed_lsn = 0x300; /* 768 */
    facts.slot.restart_lsn = 500;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_PROVE);
    assert_null(strstr(error.text, "recreated")); /* it keeps WAL from before: it is the same one */
    facts.slot.restart_lsn = 700;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_PROVE);
    assert_non_null(strstr(error.text, "recreated or advanced"));
    assert_non_null(strstr(error.text, "accept_gap: 0/300"));
    options.accept_gap = "0/2FF";
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_PROVE);
    options.accept_gap = "0/300";
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_STREAM);
    assert_int_equal(start, 0x300);
    options.accept_gap = NULL;
    memory.observed = 0x301; /* the slot went back since: not the one that was seen */
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_PROVE);
    memory.observed = 0x2f0;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_STREAM);
    assert_int_equal(start, 0x300);
    facts.slot.active = true;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_WAIT);
    /* Whoever saw the slot never makes it anew. */
    memory = (struct slot_memory){.seen = true};
    facts.slot.exists = false;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 65);
}

static void a_promoted_server_is_judged(void **state)
{
    (void)state;
    const struct pgoutput_options options = {.slot = "s", .create_slot = true};
    leat_error error = {.size = sizeof error};
    struct slot_memory memory = {
        .position = 600, .system_identifier = "1", .timeline = "1", .database = "shop"};
    struct origin_facts facts = good();
    uint64_t start = 0;
    assert_false(slot_timeline_changed(&memory, &facts));
    assert_int_equal(slot_newest(&memory, &facts), 1000);
    (void)strcpy(facts.timeline, "2");
    facts.slot.synced = true;
    assert_true(slot_timeline_changed(&memory, &facts));
    /* No history, or one that does not know our timeline. */
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_REFUSE);
    facts.has_history = true;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_REFUSE);
    assert_non_null(strstr(error.text, "does not descend"));
    facts.fork_lsn = 599;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_REFUSE);
    assert_non_null(strstr(error.text, "never happened there"));
    facts.fork_lsn = 600;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_STREAM);
    assert_int_equal(start, 600);
    assert_int_equal(slot_newest(&memory, &facts), 600);
    facts.slot.synced = false;
    assert_int_equal(slot_judge(&options, &facts, &memory, &start, &error), SLOT_REFUSE);
    assert_int_equal(error.exit_code, 65);
    assert_non_null(strstr(error.text, "no synchronised copy"));
}

static void a_level_is_left_later_than_it_is_reached(void **state)
{
    (void)state;
    const struct pgoutput_options options = {.guard_warn_bytes = 1000,
                                             .guard_critical_bytes = 2000,
                                             .guard_warn_percent = 50,
                                             .guard_critical_percent = 80};
    struct slot_facts slot = {.keep_size_bytes = -1, .wal_status = "reserved"};
    const struct {
        int64_t kept;
        enum guard_level level;
    } steps[] = {{999, GUARD_OK},    {1000, GUARD_WARN},     {950, GUARD_WARN},
                 {899, GUARD_OK},    {2000, GUARD_CRITICAL}, {1800, GUARD_CRITICAL},
                 {1799, GUARD_WARN}, {899, GUARD_OK}};
    enum guard_level level = GUARD_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        slot.retained_bytes = steps[i].kept;
        level = guard_level(&options, &slot, level);
        assert_int_equal(level, steps[i].level);
    }
    slot.keep_size_bytes = INT64_C(1) << 30;
    slot.has_safe_size = true;
    slot.safe_size_bytes = INT64_C(1) << 30;
    assert_int_equal(guard_used_percent(&slot), 0);
    slot.safe_size_bytes = INT64_C(1) << 29;
    assert_in_range(guard_used_percent(&slot), 49, 50);
    slot.safe_size_bytes = INT64_C(100) << 20;
    assert_int_equal(guard_level(&options, &slot, GUARD_OK), GUARD_CRITICAL);
    slot.safe_size_bytes = -(INT64_C(1) << 20);
    assert_int_equal(guard_level(&options, &slot, GUARD_OK), GUARD_CRITICAL);
    const struct pgoutput_options none = {0};
    (void)strcpy(slot.wal_status, "unreserved");
    assert_int_equal(guard_level(&none, &slot, GUARD_OK), GUARD_CRITICAL);
    (void)strcpy(slot.wal_status, "extended");
    assert_int_equal(guard_level(&none, &slot, GUARD_CRITICAL), GUARD_OK);
}

static void conditions_are_told_apart(void **state)
{
    (void)state;
    struct slot_facts slot = good().slot;
    slot.wal_lsn = 1000;
    assert_int_equal(guard_condition(&slot, "shop", 600, 0), SLOT_FINE);
    assert_int_equal(guard_condition(&slot, "other", 600, 0), SLOT_FOREIGN);
    assert_int_equal(guard_condition(&slot, "shop", 1001, 0), SLOT_REWOUND);
    assert_int_equal(guard_condition(&slot, "shop", 499, 0), SLOT_MOVED);
    slot.active = true;
    slot.active_pid = 7;
    assert_int_equal(guard_condition(&slot, "shop", 600, 7), SLOT_FINE);
    assert_int_equal(guard_condition(&slot, "shop", 600, 8), SLOT_TAKEN);
    (void)strcpy(slot.invalidation, "wal_removed");
    assert_int_equal(guard_condition(&slot, "shop", 600, 7), SLOT_LOST);
    (void)strcpy(slot.plugin, "test_decoding");
    assert_int_equal(guard_condition(&slot, "shop", 600, 7), SLOT_FOREIGN);
    slot.exists = false;
    assert_int_equal(guard_condition(&slot, "shop", 600, 7), SLOT_MISSING);
}

static void lag_grows_while_nothing_is_confirmed(void **state)
{
    (void)state;
    struct guard_lag lag = {0};
    assert_int_equal(guard_lag_look(&lag, 100, 100, 10), 0);
    assert_int_equal(guard_lag_look(&lag, 200, 100, 20), 0);
    assert_int_equal(guard_lag_look(&lag, 300, 100, 30), 10);
    assert_int_equal(guard_lag_look(&lag, 300, 100, 50), 30);
    assert_int_equal(guard_lag_look(&lag, 400, 250, 60), 30); /* 300 was there at 30 */
    assert_int_equal(guard_lag_look(&lag, 400, 400, 70), 0);
    /* However long it lasts: the oldest is kept, the room is bounded. */
    for (int i = 0; i < 10000; i++)
        (void)guard_lag_look(&lag, (uint64_t)(500 + i), 450, 100 + i);
    assert_int_equal(guard_lag_look(&lag, 20000, 450, 20000), 19900);
}

static double lag_seconds;

static int32_t declare(const leat_host *host, uint32_t kind, const char *name, const char *label,
                       const char *value, const char *help)
{
    (void)host, (void)kind, (void)label, (void)value, (void)help;
    return strcmp(name, "slot_lag_seconds") == 0 ? 1 : 0;
}

static void set_lag(const leat_host *host, int32_t metric, double value)
{
    (void)host;
    if (metric == 1)
        lag_seconds = value;
}

static const void *metrics_only(const leat_host *host, const char *id)
{
    static const leat_metrics metrics = {
        .size = sizeof metrics, .declare = declare, .set = set_lag};
    (void)host;
    return strcmp(id, LEAT_EXTENSION_METRICS) == 0 ? &metrics : NULL;
}

static int64_t second_one(const leat_host *host)
{
    (void)host;
    return 1000 * MS;
}

static void no_log(const leat_host *host, int32_t level, const char *text, const leat_field *fields,
                   size_t count)
{
    (void)host, (void)level, (void)text, (void)fields, (void)count;
}

static void a_commit_time_of_any_number_is_a_lag(void **state)
{
    (void)state;
    const leat_host host = {
        .size = sizeof host, .extension = metrics_only, .now_ns = second_one, .log = no_log};
    const struct pgoutput_options options = {.slot = "leat"};
    const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -INT64_MAX / 1000, -1,
                             1,         INT64_MAX - 1, INT64_MAX};
    struct slot_facts slot = good().slot;
    leat_error error = {.size = sizeof error};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct guard_look look = {0};
        look_init(&look, &host, &options);
        const struct guard_view view = {
            .streaming = true, .database = "shop", .commit_us = times[i]};
        lag_seconds = -1;
        assert_int_equal(look_judge(&look, &slot, &view, &error), LEAT_OK);
        if (times[i] > 1) /* of the future */
            assert_true(lag_seconds == 0);
        else
            assert_true(lag_seconds > 1e9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lsns_are_read_strictly),
        cmocka_unit_test(only_the_durable_position_is_confirmed),
        cmocka_unit_test(feedback_is_in_time_and_no_storm),
        cmocka_unit_test(names_are_quoted_for_both_grammars),
        cmocka_unit_test(ours_wins_over_the_users_options),
        cmocka_unit_test(a_bad_dsn_is_not_quoted),
        cmocka_unit_test(lines_are_clean),
        cmocka_unit_test(a_slot_is_judged),
        cmocka_unit_test(a_slot_that_was_moved_on_needs_a_reason),
        cmocka_unit_test(a_promoted_server_is_judged),
        cmocka_unit_test(a_level_is_left_later_than_it_is_reached),
        cmocka_unit_test(conditions_are_told_apart),
        cmocka_unit_test(lag_grows_while_nothing_is_confirmed),
        cmocka_unit_test(a_commit_time_of_any_number_is_a_lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
