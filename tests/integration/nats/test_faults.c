/* SPDX-License-Identifier: Apache-2.0
 *
 * test_faults.c -- what servers and streams refuse, and what the sink makes of it: each NATS row of
 * the table of faults.  Argument: which server, "debian" or "current".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "stage.h"

static void update_stream(struct bus *bus, const char *more)
{
    char json[500];
    snprintf(json, sizeof json,
             "{\"name\":\"S\",\"subjects\":[\"S.>\"],\"storage\":\"file\",\"retention\":\"limits\","
             "\"num_replicas\":1,\"duplicate_window\":100000000,%s}",
             more);
    char *answer = bus_api(bus, "STREAM.UPDATE.S", json);
    assert_null(strstr(answer, "\"error\""));
    free(answer);
}

static bool step_until_refused(struct rig *rig, uint64_t until)
{
    for (int i = 0; i < 2000 && !rig->last_status; i++)
        if (!rig_step(rig, until))
            break;
    return rig->last_status != LEAT_OK;
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void assert_not_started(struct rig *rig, int exit_code, const char *text)
{
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_ECONFIG);
    assert_int_equal(rig->error.exit_code, exit_code);
    if (!strstr(rig->error.text, text))
        fail_msg("%s", rig->error.text);
}

static void a_missing_stream_is_named(void **state)
{
    NEED_SERVER();
    assert_not_started(rig, 0, "stream S does not exist");
}

static void a_missing_stream_is_made_where_asked(void **state)
{
    NEED_SERVER();
    static const char *const subjects[] = {"S.>", "T.*"};
    rig->options.create_stream = true;
    rig->options.create_subjects = (leat_strings){subjects, 2};
    rig_create(rig);
    assert_true(rig_run(rig, 200, 10000));
    assert_stream(stage, 200);
    char *info = bus_api(bus, "STREAM.INFO.S", NULL);
    assert_non_null(strstr(info, "\"storage\":\"file\""));
    assert_non_null(strstr(info, "\"discard\":\"new\""));
    assert_non_null(strstr(info, "\"duplicate_window\":600000000000"));
    free(info);
}

static void a_deleted_stream_stops_with_a_gap(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    static const char *const subjects[] = {"S.>"};
    rig->options.create_stream = true; /* never silently again */
    rig->options.create_subjects = (leat_strings){subjects, 1};
    rig_create(rig);
    assert_true(rig_run(rig, 200, 10000));
    free(bus_api(bus, "STREAM.DELETE.S", NULL));
    while (rig_step(rig, 400))
        ;
    assert_int_equal(rig->error.status, LEAT_ECONFIG);
    assert_int_equal(rig->error.exit_code, 65);
    assert_honest(stage);
}

static void a_stream_in_memory_is_refused(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"storage\":\"memory\"");
    assert_not_started(rig, 0, "allow_memory_stream");
}

static void a_stream_in_memory_is_taken_where_allowed(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"storage\":\"memory\"");
    rig->options.allow_memory_stream = true;
    rig_create(rig);
    assert_true(rig_run(rig, 100, 10000));
}

static void a_stream_that_writes_later_is_refused(void **state)
{
    NEED_VERSION(2, 12);
    bus_stream(bus, "S", "\"persist_mode\":\"async\"");
    assert_not_started(rig, 0, "persist_mode");
}

static void atomic_batches_must_be_allowed(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->options.publish = PUBLISH_ATOMIC;
    assert_not_started(rig, 0, "allow_atomic");
}

static void the_streams_configuration_is_never_written(void **state)
{
    NEED_VERSION(2, 12);
    bus_stream(bus, "S", "\"allow_atomic\":true,\"allow_msg_ttl\":true,\"metadata\":{\"a\":\"b\"}");
    char *before = bus_api(bus, "STREAM.INFO.S", NULL);
    rig_create(rig);
    assert_true(rig_run(rig, 100, 10000));
    char *after = bus_api(bus, "STREAM.INFO.S", NULL);
    char *end_of_config = strstr(after, "\"state\"");
    assert_non_null(end_of_config);
    assert_memory_equal(before, after, (size_t)(end_of_config - after));
    free(before);
    free(after);
}

/* ---- refused messages ------------------------------------------------------------------------ */

static void a_full_stream_waits_and_goes_on(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"discard\":\"new\",\"max_msgs\":300");
    rig_create(rig);
    assert_true(step_until_refused(rig, 1000));
    assert_int_equal(rig->last_status, LEAT_ERETRY);
    assert_non_null(strstr(rig->last_text, "maximum messages"));
    assert_int_equal(rig->durable, 300);
    update_stream(bus, "\"discard\":\"new\",\"max_msgs\":-1");
    assert_true(rig_run(rig, 1000, 10000));
    assert_honest(stage);
    assert_stream(stage, 1000);
}

static void a_full_store_waits_and_goes_on(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"discard\":\"new\",\"max_bytes\":50000");
    rig_create(rig);
    assert_true(step_until_refused(rig, 3000));
    assert_int_equal(rig->last_status, LEAT_ERETRY);
    update_stream(bus, "\"discard\":\"new\",\"max_bytes\":-1");
    assert_true(rig_run(rig, 3000, 10000));
    assert_stream(stage, 3000);
}

static void a_server_without_space_waits_and_goes_on(void **state)
{
    struct stage *stage = *state;
    struct rig *rig = &stage->rig;
    char config[300], path[300], folder[] = "/tmp/leat-nats-store-XXXXXX";
    if (!program)
        skip();
    assert_non_null(mkdtemp(folder));
    snprintf(config, sizeof config, "jetstream { store_dir: \"%s\", max_file_store: 200000 }",
             folder);
    bus_start(&stage->bus, program, config);
    rig_init(rig, &stage->bus);
    rig->value_size = 500;
    bus_stream(&stage->bus, "S", NULL);
    rig_create(rig);
    assert_true(step_until_refused(rig, 1000));
    assert_int_equal(rig->last_status, LEAT_ERETRY);
    assert_non_null(strstr(rig->last_text, "insufficient"));
    bus_kill(&stage->bus);
    snprintf(path, sizeof path, "%s/server.conf", stage->bus.folder);
    snprintf(config, sizeof config,
             "listen: 127.0.0.1:%d\njetstream { store_dir: \"%s\", max_file_store: 100000000 }\n",
             stage->bus.port, folder);
    bus_write_file(path, config);
    bus_begin(&stage->bus);
    assert_true(rig_run(rig, 1000, 20000));
    assert_stream(stage, 1000);
    bus_kill(&stage->bus);
    snprintf(config, sizeof config, "rm -rf '%s'", folder);
    bus_run(config);
}

/* Change 120 is refused for good, those behind it were on their way: the host dead-letters it and
 * goes on with 121, and none of those is stored twice. */
static void pass_over(struct stage *stage, uint64_t poison)
{
    struct rig *rig = &stage->rig;
    assert_true(step_until_refused(rig, 1000));
    assert_int_equal(rig->last_status, LEAT_EREJECT);
    assert_int_equal(rig->durable, poison);
    outlive_window(&stage->bus); /* so that ids do not help */
    rig->durable = rig->offered = poison + 1;
    rig->last_status = LEAT_OK;
    assert_true(rig_run(rig, 1000, 10000));
    assert_int_equal(rig->rejects, 1);
    assert_honest(stage);
    struct bus_messages all = bus_read(&stage->bus, "S");
    assert_int_equal(all.count, 999);
    uint64_t expected = 0;
    for (size_t i = 0; i < all.count; i++, expected++) {
        unsigned long long n;
        expected += expected == poison;
        assert_int_equal(sscanf(all.items[i].data, "{\"n\":%llu", &n), 1);
        assert_int_equal(n, expected);
    }
    bus_messages_free(&all);
}

static void a_message_over_max_payload_is_rejected_before_it_is_sent(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->large_change = 120;
    rig->large_size = 1048576; /* the limit itself: the headers are too much */
    rig_create(rig);
    pass_over(stage, 120);
    assert_int_equal(rig->restarts, 0);
    assert_non_null(strstr(rig->last_text, "max_payload"));
}

static void a_message_over_the_streams_limit_is_rejected(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", "\"max_msg_size\":600");
    rig->large_change = 120;
    rig->large_size = 700;
    rig_create(rig);
    pass_over(stage, 120);
}

static void a_limit_that_came_later_stops_the_line_at_its_record(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->large_change = 120;
    rig->large_size = 700;
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    update_stream(bus, "\"max_msg_size\":600");
    pass_over(stage, 120);
}

static void a_limit_that_came_later_stops_the_line_with_sequence(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->options.dedupe = DEDUPE_SEQUENCE;
    rig->large_change = 120;
    rig->large_size = 700;
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    update_stream(bus, "\"max_msg_size\":600");
    /* The size is known from the start that follows the break. */
    pass_over(stage, 120);
}

/* More on their way than there are subjects for answers: which one was refused is found out behind
 * a new connection. */
static void a_refusal_in_a_wide_window_stops_the_line_at_its_record(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->options.dedupe = DEDUPE_SEQUENCE;
    rig->large_change = 900;
    rig->large_size = 700;
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    update_stream(bus, "\"max_msg_size\":600");
    pass_over(stage, 900);
}

static void a_subject_that_no_stream_takes_is_named_in_a_wide_window(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->options.dedupe = DEDUPE_SEQUENCE;
    rig->other_from = 900;
    rig->other_subject = "elsewhere.t";
    rig_create(rig);
    assert_true(step_until_refused(rig, 3000));
    assert_int_equal(rig->last_status, LEAT_ERETRY);
    assert_non_null(strstr(rig->last_text, "does not take subject elsewhere.t"));
    assert_int_equal(rig->durable, 900);
    assert_stream(stage, 900);
    rig->other_subject = "S.other";
    assert_true(rig_run(rig, 3000, 20000));
    assert_stream(stage, 3000);
}

static void a_hole_that_we_died_on_is_filled(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->large_change = 120;
    rig->large_size = 700;
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    update_stream(bus, "\"max_msg_size\":600");
    assert_true(step_until_refused(rig, 1000));
    rig_forget(rig); /* messages behind 120 are in the stream */
    assert_true(bus_last_sequence(bus, "S") > 120);
    outlive_window(bus);
    update_stream(bus, "\"max_msg_size\":-1");
    rig_create(rig);
    assert_true(rig_run(rig, 1000, 10000));
    struct bus_messages all = bus_read(bus, "S");
    unsigned char seen[1000] = {0};
    assert_int_equal(all.count, 1000);
    for (size_t i = 0; i < all.count; i++) {
        unsigned long long n;
        assert_int_equal(sscanf(all.items[i].data, "{\"n\":%llu", &n), 1);
        assert_int_equal(seen[n]++, 0);
    }
    bus_messages_free(&all);
}

static void a_subject_that_no_stream_takes_is_named(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->subject = "elsewhere.t";
    rig_create(rig);
    assert_true(step_until_refused(rig, 100));
    assert_int_equal(rig->last_status, LEAT_ERETRY);
    assert_non_null(strstr(rig->last_text, "does not take subject elsewhere.t"));
}

static void a_bad_subject_never_reaches_the_server(void **state)
{
    NEED_SERVER();
    static const char *const bad[] = {"S..t", "S.>",   "S.*.t",     "S.t.",
                                      ".t",   "S.a b", "$JS.API.X", ""};
    bus_stream(bus, "S", NULL);
    rig_create(rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rig->subject = bad[i];
        rig->last_status = LEAT_OK;
        assert_true(step_until_refused(rig, 100));
        assert_int_equal(rig->last_status, LEAT_EREJECT);
    }
    assert_int_equal(rig->restarts, 0);
    assert_int_equal(bus_last_sequence(bus, "S"), 0);
}

static void somebody_else_in_a_stream_of_ours_loses_nothing(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->options.dedupe = DEDUPE_SEQUENCE;
    rig_create(rig);
    assert_true(rig_run(rig, 300, 10000));
    bus_publish(bus, "S.foreign", "x");
    assert_true(rig_run(rig, 600, 10000));
    assert_true(rig->restarts >= 1);
    /* The message that the foreign one displaced comes later than those that were on their way. */
    struct bus_messages all = bus_read(bus, "S");
    unsigned char seen[600] = {0};
    unsigned count = 0;
    for (size_t i = 0; i < all.count; i++) {
        unsigned long long n;
        if (sscanf(all.items[i].data, "{\"n\":%llu", &n) != 1)
            continue;
        assert_int_equal(seen[n]++, 0);
        count++;
    }
    assert_int_equal(count, 600);
    bus_messages_free(&all);
}

/* ---- check ----------------------------------------------------------------------------------- */

static void check(struct rig *rig, struct fake_check *found)
{
    fake_check_init(found);
    rig->ops->check(&rig->options, &found->check);
}

static void check_finds_what_is_wrong_with_a_stream(void **state)
{
    NEED_SERVER();
    struct fake_check found;
    check(rig, &found);
    assert_int_equal(found.errors, 1);
    assert_int_equal(found.exit_code, 78);
    assert_non_null(strstr(found.text, "stream S does not exist | nats stream add S"));
    bus_stream(bus, "S", "\"max_msgs\":10,\"discard\":\"old\",\"duplicate_window\":1000000000");
    check(rig, &found);
    assert_int_equal(found.errors, 0);
    assert_non_null(strstr(found.text, "discard old"));
    assert_non_null(strstr(found.text, "--dupe-window"));
    rig->options.confirm_hold = "0s";
    check(rig, &found);
    assert_non_null(strstr(found.text, "a power cut loses acknowledged records"));
    update_stream(bus, "\"max_msgs\":-1,\"max_msgs_per_subject\":1");
    check(rig, &found);
    assert_non_null(strstr(found.text, "keeps 1 message of each subject"));
}

static void check_names_the_routes_that_the_stream_does_not_take(void **state)
{
    NEED_SERVER();
    const char *routes[] = {"S.{schema}.x-{table}.{key.id}", "S", "T.{table}", "{table}.a"};
    struct fake_check found;
    bus_stream(bus, "S", "\"duplicate_window\":1200000000000");
    fake_check_init(&found);
    found.check.routes = (leat_strings){routes, 4};
    rig->ops->check(&rig->options, &found.check);
    assert_int_equal(found.errors, 0);
    assert_null(strstr(found.text, "S.*.*.*"));
    assert_non_null(strstr(found.text, "route S (S) | nats stream edit S --subjects S"));
    assert_non_null(strstr(found.text, "route T.{table} (T.*)"));
    assert_non_null(strstr(found.text, "route {table}.a (*.a)"));
}

static void check_says_that_a_server_is_not_there(void **state)
{
    NEED_SERVER();
    struct fake_check found;
    bus_kill(bus);
    check(rig, &found);
    assert_int_equal(found.errors, 1);
    assert_int_equal(found.exit_code, 69);
    bus_begin(bus);
}

static void check_takes_the_server_that_is_there(void **state)
{
    NEED_SERVER();
    struct fake_check found;
    bus_stream(bus, "S", NULL);
    rig->url[1] = rig->url[0];
    rig->url[0] = "nats://127.0.0.1:1";
    rig->options.url.count = 2;
    check(rig, &found);
    assert_int_equal(found.errors, 0);
    assert_true(found.warnings >= 1);
    rig_create(rig);
    assert_true(rig_run(rig, 100, 10000));
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_missing_stream_is_named),
        T(a_missing_stream_is_made_where_asked),
        T(a_deleted_stream_stops_with_a_gap),
        T(a_stream_in_memory_is_refused),
        T(a_stream_in_memory_is_taken_where_allowed),
        T(a_stream_that_writes_later_is_refused),
        T(atomic_batches_must_be_allowed),
        T(the_streams_configuration_is_never_written),
        T(a_full_stream_waits_and_goes_on),
        T(a_full_store_waits_and_goes_on),
        cmocka_unit_test_setup_teardown(a_server_without_space_waits_and_goes_on,
                                        begin_without_server, end),
        T(a_message_over_max_payload_is_rejected_before_it_is_sent),
        T(a_message_over_the_streams_limit_is_rejected),
        T(a_limit_that_came_later_stops_the_line_at_its_record),
        T(a_limit_that_came_later_stops_the_line_with_sequence),
        T(a_refusal_in_a_wide_window_stops_the_line_at_its_record),
        T(a_subject_that_no_stream_takes_is_named_in_a_wide_window),
        T(a_hole_that_we_died_on_is_filled),
        T(a_subject_that_no_stream_takes_is_named),
        T(a_bad_subject_never_reaches_the_server),
        T(somebody_else_in_a_stream_of_ours_loses_nothing),
        T(check_finds_what_is_wrong_with_a_stream),
        T(check_names_the_routes_that_the_stream_does_not_take),
        T(check_says_that_a_server_is_not_there),
        T(check_takes_the_server_that_is_there),
    };
    if (stage_main(argc, argv))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
