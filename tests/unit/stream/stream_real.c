/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_real.c -- the source against a real PostgreSQL: what arrives, what is confirmed, and what
 * becomes of both when the server stops, dies, or waits.
 */
#include "real.h"
#include "wal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void changes_arrive_once(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_once");
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g");
    real_sql("UPDATE t SET b = 'y' WHERE a <= 10");
    real_sql("DELETE FROM t WHERE a <= 5");
    real_sql("SELECT pg_logical_emit_message(true, 'p', 'c')");
    real_sql("TRUNCATE t");
    UNTIL(host, host->truncates == 1);
    assert_int_equal(host->inserts, 1000);
    assert_int_equal(host->updates, 10);
    assert_int_equal(host->deletes, 5);
    assert_int_equal(host->messages, 1);
    assert_int_equal(host->doubled, 0);
    assert_non_null(strstr(host->log, "slot created"));
    uint64_t target = host->durable;
    UNTIL(host, real_confirmed("s_once") >= target);
    real_done(host);
    real_drop_slots();
}

static void a_single_change_does_not_wait(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_single");
    host->busy = true; /* the worst case: only the age publishes */
    real_sql("INSERT INTO t VALUES (1, 'x')");
    int quick = 0;
    for (int i = 1; i <= 5; i++) { /* of five: a machine may stand still in one or two */
        int64_t begun = real_now_ms();
        UNTIL(host, host->inserts == (uint64_t)i);
        quick += real_now_ms() - begun < 500;
        if (i < 5)
            real_sql("INSERT INTO t SELECT max(a) + 1, 'x' FROM t");
    }
    assert_in_range(quick, 3, 5);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

static void idle_keepalives_move_the_slot(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_idle");
    uint64_t before = real_confirmed("s_idle"), target = 0;
    assert_true(pg_server_sql(&real_server, "postgres",
                              "CREATE TABLE IF NOT EXISTS other(a int);"
                              "INSERT INTO other SELECT generate_series(1, 20000)"));
    assert_true(
        wal_parse(pg_server_value(&real_server, "shop", "SELECT pg_current_wal_lsn()"), &target));
    UNTIL(host, real_confirmed("s_idle") >= target);
    assert_true(target > before);
    assert_int_equal(host->inserts, 0);
    real_done(host);
    real_drop_slots();
}

static void fast_shutdown_ends_soon_and_the_stream_goes_on(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_stop");
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 5000) g");
    UNTIL(host, host->inserts == 5000);
    int64_t begun = real_now_ms();
    int status = 0;
    pid_t child = pg_server_stop_begin(&real_server, "fast");
    while (waitpid(child, &status, WNOHANG) == 0) {
        assert_int_equal(stream_host_step(host, 10), LEAT_OK);
        assert_true(real_now_ms() - begun < 20000);
    }
    assert_int_equal(status, 0);
    assert_true(real_now_ms() - begun < 10000); /* not the minute of release_after */
    assert_true(pg_server_start(&real_server));
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(5001, 6000) g");
    UNTIL(host, host->inserts == 6000);
    assert_int_equal(host->doubled, 0);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

static void a_crash_of_the_server_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_crash");
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 5000) g");
    UNTIL(host, host->inserts == 5000);
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(5001, 40000) g");
    UNTIL(host, host->inserts > 5000); /* in the middle of the transaction */
    pg_server_crash(&real_server);
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(40001, 41000) g");
    UNTIL(host, host->inserts >= 41000);
    assert_int_equal(host->inserts, 41000);
    assert_int_equal(host->doubled, 0);
    assert_true(host->begins >= 2);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

static uint64_t times_in(const char *text, const char *part)
{
    uint64_t times = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        times++;
    }
    return times;
}

static void feedback_goes_on_while_there_is_no_memory(void **state)
{
    (void)state; /* wal_sender_timeout is 2 s */
    struct stream_host *host = real_streaming("s_starve");
    host->starve = true;
    real_sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    bool kept = false; /* one connection for three times the timeout; a machine may stand still */
    for (int turn = 0; turn < 5 && !kept; turn++) {
        uint64_t begins = host->begins, lost = times_in(host->log, "connection lost");
        int64_t until = real_now_ms() + 6000;
        while (real_now_ms() < until)
            assert_int_equal(stream_host_step(host, 50), LEAT_OK);
        kept = host->begins == begins && times_in(host->log, "connection lost") == lost;
    }
    assert_true(kept);
    assert_int_equal(host->inserts, 0);
    host->starve = false;
    UNTIL(host, host->inserts == 20000);
    assert_int_equal(host->doubled, 0);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

static void a_stalled_source_lets_the_server_go_and_comes_back(void **state)
{
    (void)state;
    struct stream_host *host = real_fresh();
    real_defaults("s_release");
    real_options.release_after_ms = 300;
    stream_host_run(host, &real_options, NULL);
    UNTIL(host, host->begins == 1);
    host->starve = true;
    real_sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    UNTIL(host, strstr(host->log, "connection released"));
    UNTIL(host, strcmp(pg_server_value(&real_server, "shop",
                                       "SELECT active FROM pg_replication_slots WHERE slot_name = "
                                       "'s_release'"),
                       "f") == 0);
    host->starve = false;
    UNTIL(host, host->inserts == 20000);
    assert_int_equal(host->doubled, 0);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

/* What was handed over is not durable: a new connection begins behind it, and must not confirm it. */
static void a_reconnection_confirms_only_what_is_durable(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_behind");
    host->forget = true;
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g");
    UNTIL(host, host->inserts == 1000);
    uint64_t durable = host->durable;
    real_sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = "
             "'s_behind'");
    UNTIL(host, host->begins == 2);
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1001, 1100) g");
    UNTIL(host, host->inserts == 1100);
    int64_t until = real_now_ms() + 1500; /* three status messages at wal_sender_timeout 2 s */
    while (real_now_ms() < until)
        assert_int_equal(stream_host_step(host, 50), LEAT_OK);
    assert_int_equal(host->doubled, 0);
    assert_true(real_confirmed("s_behind") <= durable);
    real_sql("TRUNCATE t");
    real_done(host);
    real_drop_slots();
}

static void a_slot_in_use_is_waited_for(void **state)
{
    (void)state;
    struct stream_host *first = real_streaming("s_active"), *second = real_fresh();
    stream_host_run(second, &real_options, NULL);
    UNTIL(second, strstr(second->log, "active elsewhere"));
    real_done(first);
    UNTIL(second, second->begins == 1);
    real_done(second);
    real_drop_slots();
}

static void the_next_run_goes_on_where_the_last_one_ended(void **state)
{
    (void)state;
    struct stream_host *first = real_streaming("s_next"), *second = real_fresh();
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g");
    UNTIL(first, first->inserts == 100);
    stream_host_stop(first);
    assert_true(real_confirmed("s_next") >= first->durable);
    real_sql("INSERT INTO t SELECT g, 'x' FROM generate_series(101, 150) g");
    leat_pair pairs[4];
    leat_source_start start = real_recorded(first, pairs);
    stream_host_run(second, &real_options, &start);
    UNTIL(second, second->inserts == 50);
    real_sql("TRUNCATE t");
    UNTIL(second, second->truncates == 1);
    assert_int_equal(second->inserts, 50);
    real_done(second);
    real_done(first);
    real_drop_slots();
}

/* Types and relations that only the catalogue knows. */
static void the_catalogue_is_asked_for_strange_types(void **state)
{
    (void)state;
    struct stream_host *host = real_streaming("s_types");
    real_options.composite = DECODE_COMPOSITE_NESTED;
    real_sql("INSERT INTO strange VALUES (1, 'sad', ROW(1, 'q'), ARRAY['sad'::mood], 5)");
    real_sql("UPDATE strange SET b = 'ok'");
    UNTIL(host, host->updates == 1);
    assert_int_equal(host->inserts, 1);
    assert_null(strstr(host->log, "looked up"));
    real_sql("TRUNCATE strange");
    real_done(host);
    real_drop_slots();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_arrive_once),
        cmocka_unit_test(a_single_change_does_not_wait),
        cmocka_unit_test(idle_keepalives_move_the_slot),
        cmocka_unit_test(fast_shutdown_ends_soon_and_the_stream_goes_on),
        cmocka_unit_test(a_crash_of_the_server_loses_and_doubles_nothing),
        cmocka_unit_test(feedback_goes_on_while_there_is_no_memory),
        cmocka_unit_test(a_stalled_source_lets_the_server_go_and_comes_back),
        cmocka_unit_test(a_reconnection_confirms_only_what_is_durable),
        cmocka_unit_test(a_slot_in_use_is_waited_for),
        cmocka_unit_test(the_next_run_goes_on_where_the_last_one_ended),
        cmocka_unit_test(the_catalogue_is_asked_for_strange_types),
    };
    return real_run(tests);
}
