/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_begin.c -- the source against a real PostgreSQL, before the first change: gaps that it
 * refuses to pass over, and configurations that cannot work.
 */
#include "real.h"

#include <string.h>

static void refuses(const char *slot, void (*spoil)(leat_source_start *, leat_pair *),
                    const char *words)
{
    struct stream_host *first = real_streaming(slot), *second = real_fresh();
    real_sql("INSERT INTO t VALUES (1, 'x'); TRUNCATE t");
    UNTIL(first, first->truncates == 1);
    stream_host_stop(first);
    leat_pair pairs[4];
    leat_source_start start = real_recorded(first, pairs);
    spoil(&start, pairs);
    stream_host_run(second, &real_options, &start);
    real_expect_failure(second, LEAT_EFATAL, 65, words);
    assert_non_null(strstr(second->error.text, "gap in the data is possible"));
    assert_int_equal(second->begins, 0);
    real_done(second);
    real_done(first);
    real_drop_slots();
}

static void drop(leat_source_start *start, leat_pair *pairs)
{
    (void)start;
    (void)pairs;
    real_drop_slots();
}

static void recreate(leat_source_start *start, leat_pair *pairs)
{
    drop(start, pairs);
    real_sql("INSERT INTO t VALUES (1, 'x'); TRUNCATE t");
    real_sql("SELECT pg_create_logical_replication_slot('s_gap', 'pgoutput')");
}

static void advance(leat_source_start *start, leat_pair *pairs)
{
    (void)start;
    (void)pairs;
    real_sql("INSERT INTO t VALUES (1, 'x')");
    real_sql("TRUNCATE t");
    real_sql("SELECT pg_replication_slot_advance('s_gap', pg_current_wal_lsn())");
}

static void other_system(leat_source_start *start, leat_pair *pairs)
{
    for (uint32_t i = 0; i < start->fact_count; i++)
        if (strcmp(pairs[i].name, "system_identifier") == 0)
            pairs[i].value = "7000000000000000001";
}

static void other_timeline(leat_source_start *start, leat_pair *pairs)
{
    for (uint32_t i = 0; i < start->fact_count; i++)
        if (strcmp(pairs[i].name, "timeline") == 0)
            pairs[i].value = "7";
}

static void rewind_server(leat_source_start *start, leat_pair *pairs)
{
    (void)pairs;
    start->position += (uint64_t)1 << 40;
}

static void gaps_are_never_passed_over(void **state)
{
    (void)state;
    refuses("s_gap", drop, "does not exist any more");
    refuses("s_gap", recreate, "recreated or advanced");
    refuses("s_gap", advance, "advanced by someone else");
    refuses("s_gap", other_system, "system identifier");
    refuses("s_gap", other_timeline, "timeline");
    refuses("s_gap", rewind_server, "went back in time");
}

static void a_slot_recreated_behind_our_back_is_noticed(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_back");
    real_sql("INSERT INTO t VALUES (1, 'x')");
    UNTIL(host, host->inserts == 1);
    /* Nothing steps the source meanwhile. */
    real_sql("SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots");
    real_drop_slots();
    real_sql("TRUNCATE t");
    real_sql("SELECT pg_create_logical_replication_slot('s_back', 'pgoutput')");
    /* The daemon begins anew then, and the rules of a first connection decide. */
    real_expect_failure(host, LEAT_ERETRY, 0, "moved on");
    struct stream_host *second = real_fresh();
    leat_pair pairs[4];
    leat_source_start start = real_recorded(host, pairs);
    stream_host_run(second, &real_options, &start);
    real_expect_failure(second, LEAT_EFATAL, 65, "recreated or advanced");
    real_done(second);
    real_done(host);
    real_drop_slots();
}

static void a_missing_publication_is_named(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_nopub");
    real_publications[0] = "no\"such'pub";
    stream_host_run(host, &real_options, NULL);
    real_expect_failure(host, LEAT_ECONFIG, 78, "no\"such'pub");
    real_done(host);
    assert_string_equal(
        pg_server_value(&real_server, "shop", "SELECT count(*) FROM pg_replication_slots"), "0");
}

static void a_hostile_publication_name_streams(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_hostile");
    real_publications[0] = "a \"b\" ',c\\ ";
    real_sql("CREATE PUBLICATION \"a \"\"b\"\" ',c\\ \" FOR TABLE t");
    stream_host_run(host, &real_options, NULL);
    real_sql("INSERT INTO t VALUES (1, 'x')");
    UNTIL(host, host->begins == 1);
    real_sql("INSERT INTO t VALUES (2, 'x')");
    UNTIL(host, host->last.position && host->inserts >= 1);
    real_sql("TRUNCATE t; DROP PUBLICATION \"a \"\"b\"\" ',c\\ \"");
    real_done(host);
    real_drop_slots();
}

static void a_publication_younger_than_the_slot_is_explained(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_young");
    real_publications[0] = "young";
    real_sql("SELECT pg_create_logical_replication_slot('s_young', 'pgoutput')");
    real_sql("INSERT INTO t VALUES (1, 'x')");
    real_sql("CREATE PUBLICATION young FOR TABLE t");
    stream_host_run(host, &real_options, NULL);
    real_expect_failure(host, LEAT_ECONFIG, 78, "pg_replication_slot_advance('s_young'");
    real_done(host);
    real_sql("TRUNCATE t; DROP PUBLICATION young");
    real_drop_slots();
}

static void a_slot_of_another_plugin_is_refused(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_other");
    real_sql("SELECT pg_create_physical_replication_slot('s_other')");
    stream_host_run(host, &real_options, NULL);
    real_expect_failure(host, LEAT_ECONFIG, 78, "physical");
    real_done(host);
    real_drop_slots();
}

static void a_server_that_is_away_is_waited_for(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_away");
    assert_true(pg_server_stop(&real_server, "fast"));
    stream_host_run(host, &real_options, NULL);
    UNTIL(host, strstr(host->log, "cannot connect"));
    assert_true(pg_server_start(&real_server));
    UNTIL(host, host->begins == 1);
    real_done(host);
    real_drop_slots();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_never_passed_over),
        cmocka_unit_test(a_slot_recreated_behind_our_back_is_noticed),
        cmocka_unit_test(a_missing_publication_is_named),
        cmocka_unit_test(a_hostile_publication_name_streams),
        cmocka_unit_test(a_publication_younger_than_the_slot_is_explained),
        cmocka_unit_test(a_slot_of_another_plugin_is_refused),
        cmocka_unit_test(a_server_that_is_away_is_waited_for),
    };
    return real_run(tests);
}
