/* SPDX-License-Identifier: Apache-2.0
 *
 * test_deliver.c -- the sink against a real server: order, identity, nothing twice, nothing lost,
 * in every way of publishing.  Argument: which server, "debian" or "current".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "stage.h"

#define SHORT_WINDOW "\"duplicate_window\":100000000"

/* ---- each change once, in order -------------------------------------------------------------- */

static void publish(struct stage *stage, const char *stream)
{
    bus_stream(&stage->bus, "S", stream);
    rig_create(&stage->rig);
    assert_int_equal(rig_start(&stage->rig, 5000), LEAT_OK);
    assert_int_equal(stage->rig.start.holds, LEAT_HOLDS_NOTHING);
    assert_true(rig_run(&stage->rig, 5000, 60000));
    assert_honest(stage);
    assert_int_equal(stage->rig.restarts, 0);
    assert_stream(stage, 5000);
}

static void stores_each_change_once_in_order(void **state)
{
    NEED_SERVER();
    publish(stage, NULL);
}

static void stores_each_change_once_with_sequence(void **state)
{
    NEED_SERVER();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    publish(stage, NULL);
}

static void stores_each_change_once_packed(void **state)
{
    NEED_SERVER();
    rig->options.pack_records = 20;
    publish(stage, NULL);
    assert_in_range(bus_last_sequence(bus, "S"), 5000 / 20, 5000 / 4);
}

static void sends_values_larger_than_its_buffer(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig->value_size = 400 * 1024;
    rig_create(rig);
    assert_true(rig_run(rig, 60, 60000));
    assert_stream(stage, 60);
    assert_int_equal(rig->restarts, 0);
}

static void stores_whole_transactions_in_atomic_batches(void **state)
{
    NEED_VERSION(2, 12);
    rig->options.publish = PUBLISH_ATOMIC;
    publish(stage, "\"allow_atomic\":true");
}

static void marks_the_parts_of_a_transaction_that_is_too_large(void **state)
{
    NEED_VERSION(2, 12);
    rig->options.publish = PUBLISH_ATOMIC;
    rig->per_transaction = 2500;
    publish(stage, "\"allow_atomic\":true");
    struct bus_messages all = bus_read(bus, "S");
    unsigned parts = 0;
    for (size_t i = 0; i < all.count; i++)
        if (all.items[i].headers)
            assert_int_equal(atoi(all.items[i].headers), parts++ % 3 + 1);
    assert_int_equal(parts, 6);
    bus_messages_free(&all);
}

/* ---- the server is killed -------------------------------------------------------------------- */

static void survive_kills(struct stage *stage, const char *stream)
{
    struct bus *bus = &stage->bus;
    struct rig *rig = &stage->rig;
    bus_stream(bus, "S", stream);
    rig_create(rig);
    for (uint64_t round = 1; round <= 4; round++) {
        assert_true(rig_run(rig, round * 1000, 60000));
        for (int i = 0; i < 3; i++) /* some more on their way */
            assert_true(rig_step(rig, round * 1000 + 700));
        bus_kill(bus);
        bus_begin(bus);
        outlive_window(bus);
    }
    assert_true(rig_run(rig, 6000, 60000));
    assert_true(rig->restarts >= 4);
    assert_honest(stage);
    assert_stream(stage, 6000);
}

static void a_killed_server_doubles_nothing_past_the_window(void **state)
{
    NEED_SERVER();
    survive_kills(stage, SHORT_WINDOW);
}

static void a_killed_server_doubles_nothing_with_sequence(void **state)
{
    NEED_SERVER();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    survive_kills(stage, SHORT_WINDOW);
}

static void a_killed_server_doubles_nothing_packed(void **state)
{
    NEED_SERVER();
    rig->options.pack_records = 20;
    survive_kills(stage, SHORT_WINDOW);
}

static void a_killed_server_halves_no_transaction(void **state)
{
    NEED_VERSION(2, 12);
    rig->options.publish = PUBLISH_ATOMIC;
    survive_kills(stage, SHORT_WINDOW ",\"allow_atomic\":true");
}

/* ---- we are killed --------------------------------------------------------------------------- */

static void survive_own_death(struct stage *stage, const char *stream)
{
    struct bus *bus = &stage->bus;
    struct rig *rig = &stage->rig;
    bus_stream(bus, "S", stream);
    for (uint64_t round = 1; round <= 4; round++) {
        rig_create(rig);
        assert_true(rig_run(rig, round * 1000, 60000));
        for (int i = 0; i < 3; i++)
            assert_true(rig_step(rig, round * 1000 + 700));
        assert_honest(stage);
        rig_forget(rig);
        outlive_window(bus);
    }
    rig_create(rig);
    assert_true(rig_run(rig, 6000, 60000));
    assert_stream(stage, 6000);
}

static void our_own_death_doubles_nothing_past_the_window(void **state)
{
    NEED_SERVER();
    survive_own_death(stage, SHORT_WINDOW);
}

static void our_own_death_doubles_nothing_with_sequence(void **state)
{
    NEED_SERVER();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    survive_own_death(stage, SHORT_WINDOW);
}

static void our_own_death_doubles_nothing_where_the_stream_is_read_directly(void **state)
{
    NEED_SERVER();
    rig->held = true;
    rig->options.window = 300;
    survive_own_death(stage, SHORT_WINDOW ",\"allow_direct\":true");
}

static void our_own_death_doubles_nothing_packed(void **state)
{
    NEED_SERVER();
    rig->options.pack_records = 20;
    survive_own_death(stage, SHORT_WINDOW);
}

static void our_own_death_doubles_nothing_when_nothing_was_confirmed(void **state)
{
    NEED_SERVER();
    rig->held = true;
    survive_own_death(stage, SHORT_WINDOW);
}

/* ---- the connection is half dead ------------------------------------------------------------- */

static void stand_still(struct stage *stage, const char *stream)
{
    struct bus *bus = &stage->bus;
    struct rig *rig = &stage->rig;
    bus_stream(bus, "S", stream);
    rig->options.ack_timeout_ms = 300;
    rig->options.connect_timeout_ms = 300;
    rig->options.window = 128; /* so that it ends inside of a batch */
    rig_create(rig);
    for (uint64_t round = 1; round <= 3; round++) {
        assert_true(rig_run(rig, round * 1000, 60000));
        bus_freeze(bus);
        /* The server's socket fills with messages that it has not read; we give up twice. */
        uint64_t restarts = rig->restarts;
        while (rig->restarts < restarts + 1)
            assert_true(rig_step(rig, round * 1000 + 700));
        assert_true(rig_step(rig, round * 1000 + 700));
        bus_thaw(bus);
    }
    assert_true(rig_run(rig, 6000, 60000));
    assert_honest(stage);
    assert_stream(stage, 6000);
}

static void a_server_that_stood_still_doubles_nothing(void **state)
{
    NEED_SERVER();
    stand_still(stage, SHORT_WINDOW);
}

static void a_server_that_stood_still_doubles_nothing_with_sequence(void **state)
{
    NEED_SERVER();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    stand_still(stage, SHORT_WINDOW ",\"allow_direct\":true");
}

static void a_living_rival_is_refused(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig_create(rig);
    assert_true(rig_run(rig, 100, 10000));
    struct rig other = *rig;
    rig_create(&other);
    other.up = false;
    other.start = (leat_sink_start){.size = sizeof other.start, .name_space = "slot"};
    leat_status status = LEAT_AGAIN;
    while (status == LEAT_AGAIN) {
        /* The living one answers in its own poll, which here only this thread can call. */
        leat_error error = {.size = sizeof error};
        status = other.ops->start(other.sink, &other.start, &other.error);
        assert_int_equal(rig->ops->poll(rig->sink, 0, &error), LEAT_OK);
    }
    /* Alternating in one thread, the answer may come one try late; a rival is refused, or waits
     * until fence_timeout. */
    assert_int_equal(status, LEAT_ERETRY);
    assert_non_null(strstr(other.error.text, "another leat"));
    other.ops->stop(other.sink, 0);
    other.ops->destroy(other.sink);
    fake_host_destroy(other.fake);
}

/* ---- others write, too ----------------------------------------------------------------------- */

static void finds_its_last_message_behind_those_of_others(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", SHORT_WINDOW);
    rig_create(rig);
    rig->held = true;
    assert_true(rig_run(rig, 500, 20000));
    rig_destroy(rig);
    for (int i = 0; i < 2000; i++)
        bus_publish(bus, i % 2 ? "S.other" : "S.t", "foreign");
    rig_create(rig);
    assert_int_equal(rig_start(rig, 20000), LEAT_OK);
    assert_true(rig_run(rig, 1000, 20000));
    assert_stream(stage, 1000);
}

/* ---- durability ------------------------------------------------------------------------------ */

static void lose_the_tail(struct stage *stage, const char *stream)
{
    struct bus *bus = &stage->bus;
    struct rig *rig = &stage->rig;
    bus_stream(bus, "S", stream);
    rig->held = true;
    rig_create(rig);
    assert_true(rig_run(rig, 3000, 30000));
    bus_save_store(bus);
    assert_true(rig_run(rig, 4000, 30000));
    bus_kill(bus);
    bus_restore_store(bus); /* what it had not synced is gone */
    bus_begin(bus);
    assert_true(rig_run(rig, 5000, 60000));
    assert_int_equal(fake_host_logged(rig->fake, "the stream went backwards: what it had "
                                                 "acknowledged and lost is offered again"),
                     1);
    assert_honest(stage);
    assert_stream(stage, 5000);
}

static void a_stream_that_went_backwards_gets_the_rest_again(void **state)
{
    NEED_SERVER();
    lose_the_tail(stage, NULL);
}

static void a_stream_that_went_backwards_gets_the_rest_again_with_sequence(void **state)
{
    NEED_SERVER();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    lose_the_tail(stage, NULL);
}

static void holds_confirmation_back_where_the_server_may_not_have_synced(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    assert_non_null(
        strstr(fake_host_log(rig->fake, "connected")->fields, "confirm_hold_ms=150000"));
}

static void asks_the_server_how_often_it_syncs(void **state)
{
    NEED_VERSION(2, 10);
    char monitor[64];
    bus_stream(bus, "S", NULL);
    snprintf(monitor, sizeof monitor, "http://127.0.0.1:%d", bus->monitor_port);
    rig->options.monitor_url = monitor;
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    assert_non_null(
        strstr(fake_host_log(rig->fake, "connected")->fields, "confirm_hold_ms=150000"));
    assert_non_null(strstr(fake_host_log(rig->fake, "connected")->fields,
                           "because=the server's sync_interval"));
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(stores_each_change_once_in_order),
        T(stores_each_change_once_with_sequence),
        T(stores_each_change_once_packed),
        T(sends_values_larger_than_its_buffer),
        T(stores_whole_transactions_in_atomic_batches),
        T(marks_the_parts_of_a_transaction_that_is_too_large),
        T(a_killed_server_doubles_nothing_past_the_window),
        T(a_killed_server_doubles_nothing_with_sequence),
        T(a_killed_server_doubles_nothing_packed),
        T(a_killed_server_halves_no_transaction),
        T(our_own_death_doubles_nothing_past_the_window),
        T(our_own_death_doubles_nothing_with_sequence),
        T(our_own_death_doubles_nothing_where_the_stream_is_read_directly),
        T(our_own_death_doubles_nothing_packed),
        T(our_own_death_doubles_nothing_when_nothing_was_confirmed),
        T(a_server_that_stood_still_doubles_nothing),
        T(a_server_that_stood_still_doubles_nothing_with_sequence),
        T(a_living_rival_is_refused),
        T(finds_its_last_message_behind_those_of_others),
        T(a_stream_that_went_backwards_gets_the_rest_again),
        T(a_stream_that_went_backwards_gets_the_rest_again_with_sequence),
        T(holds_confirmation_back_where_the_server_may_not_have_synced),
        T(asks_the_server_how_often_it_syncs),
    };
    if (stage_main(argc, argv))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
