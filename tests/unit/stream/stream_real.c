/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_real.c -- the source against a real PostgreSQL: positions, faults, commands.
 * Exit status 77 where the machine has no server's programs.
 */
#include "stream_host.h"
#include "check.h"
#include "pg_server.h"
#include "setup.h"
#include "slot_command.h"
#include "wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

static struct pg_server server;
static char dsn[256];
static const char *publications[] = {"pub"};
static struct pgoutput_options options;

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void defaults(const char *slot)
{
    options = (struct pgoutput_options){
        .dsn = dsn,
        .slot = slot,
        .publication = {publications, 1},
        .create_slot = true,
        .status_interval_ms = 10000,
        .connect_timeout_ms = 5000,
        .reconnect_max_ms = 400,
        .release_after_ms = 60000,
        .types_max = 1000,
        .relations_max = 1000,
    };
    publications[0] = "pub";
}

static void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void sql(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_true(pg_server_sql(&server, "shop", text));
}

/* Steps until the condition holds; fails the test after 30 s or when the source fails. */
#define UNTIL(host, condition)                                                                     \
    do {                                                                                           \
        int64_t until_ms_ = now_ms() + 30000;                                                      \
        while (!(condition)) {                                                                     \
            if (stream_host_step((host), 20) || now_ms() > until_ms_) {                            \
                fail_msg("not reached: %s; error: %s; log: %s", #condition, (host)->error.text,    \
                         (host)->log);                                                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* Steps until the source fails. */
static void expect_failure(struct stream_host *host, leat_status status, int exit_code,
                           const char *words)
{
    int64_t until = now_ms() + 30000;
    while (stream_host_step(host, 20) == LEAT_OK)
        if (now_ms() > until)
            fail_msg("did not fail: %s", host->log);
    if (host->status != status || host->error.exit_code != exit_code ||
        !strstr(host->error.text, words))
        fail_msg("status %d, exit code %d: %s", host->status, host->error.exit_code,
                 host->error.text);
}

static struct stream_host *fresh(void)
{
    struct stream_host *host = calloc(1, sizeof *host);
    assert_non_null(host);
    stream_host_init(host);
    return host;
}

static void done(struct stream_host *host)
{
    if (host->source)
        stream_host_stop(host);
    stream_host_fini(host);
    free(host);
}

/* What the daemon's state file would give to the next run. */
static leat_source_start recorded(const struct stream_host *host, leat_pair pairs[4])
{
    for (size_t i = 0; i < 4; i++)
        pairs[i] = (leat_pair){host->facts[i][0], host->facts[i][1]};
    return (leat_source_start){.size = sizeof(leat_source_start),
                               .fact_count = 4,
                               .facts = pairs,
                               .position = host->durable};
}

static struct stream_host *streaming(const char *slot)
{
    struct stream_host *host = fresh();
    defaults(slot);
    stream_host_run(host, &options, NULL);
    UNTIL(host, host->begins == 1);
    return host;
}

static uint64_t confirmed(const char *slot)
{
    char text[256];
    uint64_t lsn = 0;
    (void)snprintf(text, sizeof text,
                   "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '%s'",
                   slot);
    (void)wal_parse(pg_server_value(&server, "shop", text), &lsn);
    return lsn;
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void changes_arrive_once(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_once");
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g");
    sql("UPDATE t SET b = 'y' WHERE a <= 10");
    sql("DELETE FROM t WHERE a <= 5");
    sql("SELECT pg_logical_emit_message(true, 'p', 'c')");
    sql("TRUNCATE t");
    UNTIL(host, host->truncates == 1);
    assert_int_equal(host->inserts, 1000);
    assert_int_equal(host->updates, 10);
    assert_int_equal(host->deletes, 5);
    assert_int_equal(host->messages, 1);
    assert_int_equal(host->doubled, 0);
    assert_non_null(strstr(host->log, "slot created"));
    uint64_t target = host->durable;
    UNTIL(host, confirmed("s_once") >= target);
    done(host);
    sql("SELECT pg_drop_replication_slot('s_once')");
}

static void a_single_change_does_not_wait(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_single");
    host->busy = true; /* the worst case: only the age publishes */
    sql("INSERT INTO t VALUES (1, 'x')");
    int64_t begun = now_ms();
    UNTIL(host, host->inserts == 1);
    assert_true(now_ms() - begun < 500);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_single')");
}

static void idle_keepalives_move_the_slot(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_idle");
    uint64_t before = confirmed("s_idle"), target = 0;
    assert_true(pg_server_sql(&server, "postgres",
                              "CREATE TABLE IF NOT EXISTS other(a int);"
                              "INSERT INTO other SELECT generate_series(1, 20000)"));
    assert_true(
        wal_parse(pg_server_value(&server, "shop", "SELECT pg_current_wal_lsn()"), &target));
    UNTIL(host, confirmed("s_idle") >= target);
    assert_true(target > before);
    assert_int_equal(host->inserts, 0);
    done(host);
    sql("SELECT pg_drop_replication_slot('s_idle')");
}

static void fast_shutdown_ends_soon_and_the_stream_goes_on(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_stop");
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 5000) g");
    UNTIL(host, host->inserts == 5000);
    int64_t begun = now_ms();
    int status = 0;
    pid_t child = pg_server_stop_begin(&server, "fast");
    while (waitpid(child, &status, WNOHANG) == 0) {
        assert_int_equal(stream_host_step(host, 10), LEAT_OK);
        assert_true(now_ms() - begun < 20000);
    }
    assert_int_equal(status, 0);
    assert_true(now_ms() - begun < 2000);
    assert_true(pg_server_start(&server));
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(5001, 6000) g");
    UNTIL(host, host->inserts == 6000);
    assert_int_equal(host->doubled, 0);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_stop')");
}

static void a_crash_of_the_server_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_crash");
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 5000) g");
    UNTIL(host, host->inserts == 5000);
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(5001, 40000) g");
    UNTIL(host, host->inserts > 5000); /* in the middle of the transaction */
    pg_server_crash(&server);
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(40001, 41000) g");
    UNTIL(host, host->inserts >= 41000);
    assert_int_equal(host->inserts, 41000);
    assert_int_equal(host->doubled, 0);
    assert_true(host->begins >= 2);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_crash')");
}

static void feedback_goes_on_while_there_is_no_memory(void **state)
{
    (void)state; /* wal_sender_timeout is 2 s */
    struct stream_host *host = streaming("s_starve");
    host->starve = true;
    sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    int64_t until = now_ms() + 6000;
    while (now_ms() < until)
        assert_int_equal(stream_host_step(host, 50), LEAT_OK);
    assert_int_equal(host->begins, 1);
    assert_null(strstr(host->log, "connection lost"));
    assert_int_equal(host->inserts, 0);
    host->starve = false;
    UNTIL(host, host->inserts == 20000);
    assert_int_equal(host->begins, 1);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_starve')");
}

static void a_stalled_source_lets_the_server_go_and_comes_back(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_release");
    options.release_after_ms = 300;
    stream_host_run(host, &options, NULL);
    UNTIL(host, host->begins == 1);
    host->starve = true;
    sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    UNTIL(host, strstr(host->log, "connection released"));
    UNTIL(host, strcmp(pg_server_value(&server, "shop",
                                       "SELECT active FROM pg_replication_slots WHERE slot_name = "
                                       "'s_release'"),
                       "f") == 0);
    host->starve = false;
    UNTIL(host, host->inserts == 20000);
    assert_int_equal(host->doubled, 0);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_release')");
}

/* What was handed over is not durable: a new connection begins behind it, and must not confirm it. */
static void a_reconnection_confirms_only_what_is_durable(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_behind");
    host->forget = true;
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g");
    UNTIL(host, host->inserts == 1000);
    uint64_t durable = host->durable;
    sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = "
        "'s_behind'");
    UNTIL(host, host->begins == 2);
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1001, 1100) g");
    UNTIL(host, host->inserts == 1100);
    int64_t until = now_ms() + 1500; /* three status messages at wal_sender_timeout 2 s */
    while (now_ms() < until)
        assert_int_equal(stream_host_step(host, 50), LEAT_OK);
    assert_int_equal(host->doubled, 0);
    assert_true(confirmed("s_behind") <= durable);
    sql("TRUNCATE t");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_behind')");
}

static void a_slot_in_use_is_waited_for(void **state)
{
    (void)state;
    struct stream_host *first = streaming("s_active"), *second = fresh();
    stream_host_run(second, &options, NULL);
    UNTIL(second, strstr(second->log, "active elsewhere"));
    done(first);
    UNTIL(second, second->begins == 1);
    done(second);
    sql("SELECT pg_drop_replication_slot('s_active')");
}

static void the_next_run_goes_on_where_the_last_one_ended(void **state)
{
    (void)state;
    struct stream_host *first = streaming("s_next"), *second = fresh();
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g");
    UNTIL(first, first->inserts == 100);
    stream_host_stop(first);
    assert_true(confirmed("s_next") >= first->durable);
    sql("INSERT INTO t SELECT g, 'x' FROM generate_series(101, 150) g");
    leat_pair pairs[4];
    leat_source_start start = recorded(first, pairs);
    stream_host_run(second, &options, &start);
    UNTIL(second, second->inserts == 50);
    sql("TRUNCATE t");
    UNTIL(second, second->truncates == 1);
    assert_int_equal(second->inserts, 50);
    done(second);
    done(first);
    sql("SELECT pg_drop_replication_slot('s_next')");
}

/* Types and relations that only the catalogue knows. */
static void the_catalogue_is_asked_for_strange_types(void **state)
{
    (void)state;
    struct stream_host *host = streaming("s_types");
    options.composite = DECODE_COMPOSITE_NESTED;
    sql("INSERT INTO strange VALUES (1, 'sad', ROW(1, 'q'), ARRAY['sad'::mood], 5)");
    sql("UPDATE strange SET b = 'ok'");
    UNTIL(host, host->updates == 1);
    assert_int_equal(host->inserts, 1);
    assert_null(strstr(host->log, "looked up"));
    sql("TRUNCATE strange");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_types')");
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static void refuses(const char *slot, void (*spoil)(leat_source_start *, leat_pair *),
                    const char *words)
{
    struct stream_host *first = streaming(slot), *second = fresh();
    sql("INSERT INTO t VALUES (1, 'x'); TRUNCATE t");
    UNTIL(first, first->truncates == 1);
    stream_host_stop(first);
    leat_pair pairs[4];
    leat_source_start start = recorded(first, pairs);
    spoil(&start, pairs);
    stream_host_run(second, &options, &start);
    expect_failure(second, LEAT_EFATAL, 65, words);
    assert_non_null(strstr(second->error.text, "gap in the data is possible"));
    assert_int_equal(second->begins, 0);
    done(second);
    done(first);
    sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
}

static void drop(leat_source_start *start, leat_pair *pairs)
{
    (void)start;
    (void)pairs;
    sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
}

static void recreate(leat_source_start *start, leat_pair *pairs)
{
    drop(start, pairs);
    sql("INSERT INTO t VALUES (1, 'x'); TRUNCATE t");
    sql("SELECT pg_create_logical_replication_slot('s_gap', 'pgoutput')");
}

static void advance(leat_source_start *start, leat_pair *pairs)
{
    (void)start;
    (void)pairs;
    sql("INSERT INTO t VALUES (1, 'x')");
    sql("TRUNCATE t");
    sql("SELECT pg_replication_slot_advance('s_gap', pg_current_wal_lsn())");
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
    struct stream_host *host = streaming("s_back");
    sql("INSERT INTO t VALUES (1, 'x')");
    UNTIL(host, host->inserts == 1);
    /* Nothing steps the source meanwhile. */
    sql("SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots");
    sql("SELECT pg_drop_replication_slot('s_back')");
    sql("TRUNCATE t");
    sql("SELECT pg_create_logical_replication_slot('s_back', 'pgoutput')");
    /* The daemon begins anew then, and the rules of a first connection decide. */
    expect_failure(host, LEAT_ERETRY, 0, "moved on");
    struct stream_host *second = fresh();
    leat_pair pairs[4];
    leat_source_start start = recorded(host, pairs);
    stream_host_run(second, &options, &start);
    expect_failure(second, LEAT_EFATAL, 65, "recreated or advanced");
    done(second);
    done(host);
    sql("SELECT pg_drop_replication_slot('s_back')");
}

/* ---- configuration --------------------------------------------------------------------------- */

static void a_missing_publication_is_named(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_nopub");
    publications[0] = "no\"such'pub";
    stream_host_run(host, &options, NULL);
    expect_failure(host, LEAT_ECONFIG, 78, "no\"such'pub");
    done(host);
    assert_string_equal(
        pg_server_value(&server, "shop", "SELECT count(*) FROM pg_replication_slots"), "0");
}

static void a_hostile_publication_name_streams(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_hostile");
    publications[0] = "a \"b\" ',c\\ ";
    sql("CREATE PUBLICATION \"a \"\"b\"\" ',c\\ \" FOR TABLE t");
    stream_host_run(host, &options, NULL);
    sql("INSERT INTO t VALUES (1, 'x')");
    UNTIL(host, host->begins == 1);
    sql("INSERT INTO t VALUES (2, 'x')");
    UNTIL(host, host->last.position && host->inserts >= 1);
    sql("TRUNCATE t; DROP PUBLICATION \"a \"\"b\"\" ',c\\ \"");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_hostile')");
}

static void a_publication_younger_than_the_slot_is_explained(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_young");
    publications[0] = "young";
    sql("SELECT pg_create_logical_replication_slot('s_young', 'pgoutput')");
    sql("INSERT INTO t VALUES (1, 'x')");
    sql("CREATE PUBLICATION young FOR TABLE t");
    stream_host_run(host, &options, NULL);
    expect_failure(host, LEAT_ECONFIG, 78, "pg_replication_slot_advance('s_young'");
    done(host);
    sql("TRUNCATE t; DROP PUBLICATION young; SELECT pg_drop_replication_slot('s_young')");
}

static void a_slot_of_another_plugin_is_refused(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_other");
    sql("SELECT pg_create_physical_replication_slot('s_other')");
    stream_host_run(host, &options, NULL);
    expect_failure(host, LEAT_ECONFIG, 78, "physical");
    done(host);
    sql("SELECT pg_drop_replication_slot('s_other')");
}

static void a_server_that_is_away_is_waited_for(void **state)
{
    (void)state;
    struct stream_host *host = fresh();
    defaults("s_away");
    assert_true(pg_server_stop(&server, "fast"));
    stream_host_run(host, &options, NULL);
    UNTIL(host, strstr(host->log, "cannot connect"));
    assert_true(pg_server_start(&server));
    UNTIL(host, host->begins == 1);
    done(host);
    sql("SELECT pg_drop_replication_slot('s_away')");
}

/* ---- commands -------------------------------------------------------------------------------- */

struct findings {
    leat_check check; /* first */
    int errors, exit_code;
    char text[16384];
};

static void note(leat_check *check, int32_t severity, int32_t exit_code, const char *text,
                 const char *fix)
{
    struct findings *found = (struct findings *)(void *)check;
    if (severity == LEAT_FINDING_ERROR) {
        found->errors++;
        found->exit_code = exit_code;
    }
    size_t used = strlen(found->text);
    (void)snprintf(found->text + used, sizeof found->text - used, "%s | %s\n", text,
                   fix ? fix : "");
}

static void look(struct findings *found)
{
    *found = (struct findings){
        .check = {.size = sizeof(leat_check), .deadline_ms = 9000, .report = note}};
    check_run(&options, &found->check);
}

static void check_names_what_is_wrong_and_what_mends_it(void **state)
{
    (void)state;
    static struct findings found;
    defaults("s_check");
    look(&found);
    if (found.errors)
        fail_msg("%s", found.text);
    assert_non_null(strstr(found.text, "the very first leat run creates it"));
    assert_non_null(strstr(found.text, "public.nokey: no replica identity"));
    assert_non_null(strstr(found.text, "ALTER TABLE public.nokey REPLICA IDENTITY FULL;"));
    publications[0] = "nosuch";
    look(&found);
    assert_int_equal(found.exit_code, 78);
    assert_non_null(strstr(found.text, "CREATE PUBLICATION \"nosuch\""));
    defaults("s_check");
    options.dsn = "host=/nonexistent dbname=shop user=postgres password=geheim";
    look(&found);
    assert_int_equal(found.exit_code, 69);
    assert_null(strstr(found.text, "geheim"));
    options.dsn = "host=/nonexistent dbname=shop geheim'";
    look(&found);
    assert_int_equal(found.exit_code, 78);
    assert_null(strstr(found.text, "geheim"));
    options.dsn = dsn;
}

static void check_names_what_no_client_can_mend(void **state)
{
    (void)state;
    static struct findings found;
    defaults("s_check");
    publications[0] = "viaroot";
    look(&found);
    assert_non_null(strstr(found.text, "a TRUNCATE of one of its partitions is not sent"));
    assert_non_null(strstr(found.text, "falsely null"));
    assert_non_null(strstr(found.text, "generated column"));
}

static char printed[8192];

static void gather(leat_output *output, const char *text, size_t len)
{
    (void)output;
    (void)strncat(printed, text, len);
}

static const char *command(const char *verb, bool json, leat_status expected)
{
    leat_output output = {.size = sizeof output, .json = json, .write = gather};
    leat_error error = {.size = sizeof error};
    printed[0] = '\0';
    leat_status status = strcmp(verb, "setup") == 0 ? setup_print(&options, &output, &error)
                                                    : slot_command(&options, verb, &output, &error);
    if (status != expected)
        fail_msg("%s: %d %s", verb, status, error.text);
    return printed;
}

static void the_slot_can_be_made_shown_and_dropped(void **state)
{
    (void)state;
    defaults("s_command");
    assert_non_null(strstr(command("show", false, LEAT_OK), "does not exist"));
    assert_non_null(strstr(command("create", true, LEAT_OK), "\"created\":true"));
    (void)command("create", false, LEAT_EREJECT);
    assert_non_null(strstr(command("show", true, LEAT_OK), "\"plugin\":\"pgoutput\""));
    assert_non_null(strstr(command("show", false, LEAT_OK), "wal_status           reserved"));
    assert_non_null(strstr(command("drop", false, LEAT_OK), "dropped slot s_command"));
    assert_non_null(strstr(command("show", true, LEAT_OK), "\"exists\":false"));
}

static void setup_prints_sql_that_runs(void **state)
{
    (void)state;
    char own[512];
    defaults("s_setup");
    publications[0] = "new \"pub'";
    (void)snprintf(own, sizeof own, "host=%s dbname=shop user='le\"at' password=geheim",
                   server.directory);
    options.dsn = own;
    const char *text = command("setup", false, LEAT_OK);
    assert_null(strstr(text, "geheim"));
    /* One statement at a time, as psql would. */
    char *copy = strdup(text), *save = NULL;
    assert_non_null(copy);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "--", 2) != 0)
            assert_true(pg_server_sql(&server, "shop", line));
    free(copy);
    assert_non_null(
        strstr(command("setup", true, LEAT_OK), "\"CREATE ROLE \\\"le\\\"\\\"at\\\" LOGIN"));
    /* The role that it makes is enough to stream. */
    struct stream_host *host = fresh();
    stream_host_run(host, &options, NULL);
    UNTIL(host, host->begins == 1);
    done(host);
    sql("SELECT pg_drop_replication_slot('s_setup'); DROP PUBLICATION \"new \"\"pub'\"");
    options.dsn = dsn;
}

/* ---- the server ------------------------------------------------------------------------------ */

static int set_up(void **state)
{
    (void)state;
    if (!pg_server_create(&server, "wal_sender_timeout=2s"))
        return -1;
    (void)snprintf(dsn, sizeof dsn, "host=%s dbname=shop user=postgres", server.directory);
    bool ok = pg_server_sql(&server, "postgres", "CREATE DATABASE shop");
    ok = ok &&
         pg_server_sql(&server, "shop",
                       "CREATE TABLE t(a int PRIMARY KEY, b text);"
                       "CREATE TABLE nokey(a int);"
                       "CREATE TYPE mood AS ENUM ('sad', 'ok');"
                       "CREATE TYPE pair AS (x int, y text);"
                       "CREATE DOMAIN small AS int CHECK (VALUE < 10);"
                       "CREATE TABLE strange(a int PRIMARY KEY, b mood, c pair, d mood[], e small);"
                       "ALTER TABLE strange REPLICA IDENTITY FULL;"
                       "CREATE PUBLICATION pub FOR TABLE t, nokey, strange;"
                       "CREATE TABLE root(a int PRIMARY KEY, b text) PARTITION BY RANGE (a);"
                       "CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (100);"
                       "ALTER TABLE root REPLICA IDENTITY FULL;"
                       "CREATE TABLE made(a int, g int GENERATED ALWAYS AS (a * 2) STORED "
                       "PRIMARY KEY);"
                       "CREATE PUBLICATION viaroot FOR TABLE root, made "
                       "WITH (publish_via_partition_root = true)");
    return ok ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    pg_server_destroy(&server);
    return 0;
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
        cmocka_unit_test(gaps_are_never_passed_over),
        cmocka_unit_test(a_slot_recreated_behind_our_back_is_noticed),
        cmocka_unit_test(a_missing_publication_is_named),
        cmocka_unit_test(a_hostile_publication_name_streams),
        cmocka_unit_test(a_publication_younger_than_the_slot_is_explained),
        cmocka_unit_test(a_slot_of_another_plugin_is_refused),
        cmocka_unit_test(a_server_that_is_away_is_waited_for),
        cmocka_unit_test(check_names_what_is_wrong_and_what_mends_it),
        cmocka_unit_test(check_names_what_no_client_can_mend),
        cmocka_unit_test(the_slot_can_be_made_shown_and_dropped),
        cmocka_unit_test(setup_prints_sql_that_runs),
    };
    if (!pg_server_programs()) {
        (void)puts("skipped: no PostgreSQL server on this machine");
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
