/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_sink.c -- the sink against librdkafka's mock cluster: order, nothing twice after a
 * restart, keys, transactions, pace, configuration.
 */
#include "partition.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static void records_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3);
    rd_kafka_mock_topic_create(rig.mock, "t", 4, 3);
    rig_must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_SELF);
    struct fake_batch *batches[20];
    for (uint32_t i = 0; i < 20; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    rig_must_deliver(&rig, batches, 20);
    assert_int_equal(rig.restarts, 0);
    struct topic_view view = rig_view(&rig, "t", "read_committed");
    assert_int_equal(view.count, 10000);
    view_assert_exactly(&view, 1, 10000);
    view_free(&view);
    rig_fini(&rig);
}

/* ---- nothing twice --------------------------------------------------------------------------- */

static void what_the_topic_holds_is_not_sent_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin(&rig, "t"));
    struct fake_batch *first = rig_batch(&rig, "t", 1, 3000);
    rig_must_deliver(&rig, &first, 1);
    for (int i = 0; i < 3; i++) { /* each of them replays everything, with more behind it */
        rig_crash(&rig);
        rig_must_start(&rig);
        struct fake_batch *again = rig_batch(&rig, "t", 1, 3000 + 500 * (uint32_t)(i + 1));
        rig_must_deliver(&rig, &again, 1);
    }
    rig_must_hold_exactly(&rig, "t", 1, 4500);
    rig_fini(&rig);
}

static void a_crash_with_records_in_flight_doubles_and_loses_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin(&rig, "t"));
    uint64_t durable = 0;
    for (uint32_t kill = 0; kill < 6; kill++) {
        struct fake_batch *batch = rig_batch(&rig, "t", durable + 1, 4000);
        const leat_batch *lent = fake_batch_lend(batch);
        while (kafka_sink_ops.submit(rig.sink, lent) == LEAT_AGAIN)
            (void)kafka_sink_ops.poll(rig.sink, 0, &rig.error);
        for (uint32_t i = 0; i < 3 + kill * 3; i++)
            (void)kafka_sink_ops.poll(rig.sink, 1, &rig.error);
        rig_crash(&rig);
        rig_must_start(&rig);
        if (fake_batch_done(batch).status == LEAT_OK && fake_batch_done(batch).calls)
            durable += 1000; /* what is confirmed lags behind what is durable */
    }
    struct fake_batch *rest = rig_batch(&rig, "t", durable + 1, 12000 - (uint32_t)durable);
    rig_must_deliver(&rig, &rest, 1);
    rig_must_hold_exactly(&rig, "t", 1, 12000);
    rig_fini(&rig);
}

static void produce_strangers(struct rig *rig, const char *topic, int count)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rig->brokers, text, sizeof text);
    rd_kafka_t *other = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    for (int i = 0; i < count; i++)
        rd_kafka_producev(other, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % 4),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t) "other", 5),
                          RD_KAFKA_V_HEADER("leat-id", "slot:0/FFFFFFFF:0x", -1),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    assert_int_equal(rd_kafka_flush(other, 10000), 0);
    rd_kafka_destroy(other);
}

static void records_of_others_behind_ours_are_walked_over(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin(&rig, "t"));
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 3000);
    rig_must_deliver(&rig, &batch, 1);
    produce_strangers(&rig, "t", 12000);
    rig_crash(&rig);
    rig_must_start(&rig);
    batch = rig_batch(&rig, "t", 1001, 3000);
    rig_must_deliver(&rig, &batch, 1);
    struct topic_view view = rig_view(&rig, "t", "read_committed");
    assert_int_equal(view.count, 16000);
    for (uint64_t i = 1; i <= 4000; i += 37) {
        char id[64];
        snprintf(id, sizeof id, "slot:0/%X:0", (unsigned)i);
        assert_int_equal(view_count(&view, id), 1);
    }
    view_free(&view);
    rig_fini(&rig);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void the_partition_of_a_key_is_that_of_the_java_clients(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash; /* org.apache.kafka.common.utils.Utils.murmur2 */
    } known[] = {{"21", -973932308},
                 {"foobar", -790332482},
                 {"a-little-bit-long-string", -985981536},
                 {"abc", 479470107}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        for (int32_t count = 1; count < 40; count++)
            assert_int_equal(topic_partition(KAFKA_PARTITIONER_MURMUR2,
                                             (leat_bytes){known[i].key, strlen(known[i].key)},
                                             count),
                             (known[i].hash & 0x7fffffff) % count);
}

static void a_key_that_changes_leaves_a_tombstone_and_goes_on_under_the_new_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, "t");
    rig.options.tombstones = true;
    rig_must_start(&rig);
    for (int replay = 0; replay < 2; replay++) {
        struct fake_batch *batch = fake_batch_create(rig.fake);
        rig_add(batch, "t", 1, 0, LEAT_INSERT, "{\"id\":1}", NULL, "insert 1");
        rig_add(batch, "t", 1, 1, LEAT_UPDATE, "{\"id\":1}", "{\"id\":2}", "1 becomes 2");
        rig_add(batch, "t", 1, 2, LEAT_INSERT, "{\"id\":1}", NULL, "insert 1 again");
        rig_add(batch, "t", 1, 3, LEAT_DELETE, "{\"id\":2}", NULL, "delete 2");
        rig_must_deliver(&rig, &batch, 1);
        rig_crash(&rig);
        rig_must_start(&rig);
    }
    struct topic_view view = rig_view(&rig, "t", "read_committed");
    static const char *const one[] = {"insert 1", "", "insert 1 again"};
    static const char *const two[] = {"1 becomes 2", "delete 2", ""};
    size_t ones = 0, twos = 0;
    for (size_t i = 0; i < view.count; i++) {
        bool is_one = strcmp(view.seen[i].key, "{\"id\":1}") == 0;
        size_t *at = is_one ? &ones : &twos;
        assert_in_range(*at, 0, 2);
        const char *expected = (is_one ? one : two)[(*at)++];
        assert_string_equal(view.seen[i].value, expected);
        assert_int_equal(view.seen[i].null_value, !expected[0]);
        assert_int_equal(strstr(view.seen[i].id, "/tombstone") != NULL, !expected[0]);
    }
    assert_int_equal(ones, 3);
    assert_int_equal(twos, 3);
    view_free(&view);
    rig_fini(&rig);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void a_transaction_leaves_its_position(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, "t");
    rd_kafka_mock_topic_create(rig.mock, "leat-positions", 3, 3);
    rig.options.transactional_id = "leat-shop";
    rig.options.transaction_records = 700;
    rig_must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_NOTHING);
    struct fake_batch *batches[6];
    for (uint32_t i = 0; i < 6; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    rig_must_deliver(&rig, batches, 6);
    rig_crash(&rig);
    rig_must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_LAST);
    assert_int_equal(rig.start.last.position, 3000);
    rig_must_hold_exactly(&rig, "t", 1, 3000);
    rig_fini(&rig);
}

/* ---- pace ------------------------------------------------------------------------------------ */

static void two_rounds_are_out_at_most_and_one_where_the_brokers_take_long(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 40, 1 << 20, 1000000);
    uint64_t next = 0;
    while (pace_room(&pace)) {
        pace_count(&pace, 100, 7, 0);
        next++;
        if (pace_full(&pace, 0))
            assert_true(pace_end(&pace, next, 0)); /* a full request to one place */
    }
    assert_int_equal(next, 40);
    pace_acknowledge(&pace, 19, 1000);
    assert_false(pace_room(&pace));
    pace_acknowledge(&pace, 20, 1000);
    assert_true(pace_room(&pace));
    pace_count(&pace, 100, 7, 0);
    assert_false(pace_end(&pace, 41, 2000)); /* not full: to be flushed */
    pace_acknowledge(&pace, 40, 900000000);
    assert_false(pace_room(&pace)); /* that took long, and one is still out */
    pace_acknowledge(&pace, 41, 3000);
    assert_true(pace_room(&pace));
    pace_reset(&pace);
    assert_false(pace_open(&pace));
}

static void a_round_to_several_places_has_to_be_flushed(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 4, 1 << 20, 1000000);
    pace_count(&pace, 100, 7, 0);
    pace_count(&pace, 100, 8, 0);
    assert_true(pace_full(&pace, 0));
    assert_false(pace_end(&pace, 2, 0));
}

static void
a_round_that_is_not_full_ends_when_no_other_is_out_and_later_where_records_pour_in(void **state)
{
    (void)state;
    struct pace pace;
    int64_t ms = 1000000, gather = PACE_GATHER_MS * ms;
    pace_init(&pace, 4000, 1 << 20, 1000000);
    assert_int_equal(pace_due_ns(&pace), INT64_MAX); /* nothing to send */
    pace_count(&pace, 100, 7, 1000 * ms);
    assert_int_equal(pace_due_ns(&pace), 1000 * ms); /* at once: the stream was quiet */
    assert_false(pace_end(&pace, 1, 1000 * ms));
    assert_true(pace_first(&pace));
    for (int i = 0; i < 1000; i++)
        pace_count(&pace, 100, 7, 1001 * ms);
    assert_int_equal(pace_due_ns(&pace), INT64_MAX); /* it could not leave */
    pace_acknowledge(&pace, 1, 1002 * ms);
    assert_int_equal(pace_due_ns(&pace), 1001 * ms);
    assert_false(pace_end(&pace, 1001, 1002 * ms));
    pace_count(&pace, 100, 7, 1003 * ms);
    pace_acknowledge(&pace, 1001, 1003 * ms);
    assert_int_equal(pace_due_ns(&pace), 1003 * ms + gather); /* 1000 came in 2 ms */
    assert_false(pace_end(&pace, 1002, 1003 * ms + gather));
    pace_acknowledge(&pace, 1002, 1010 * ms);
    pace_count(&pace, 100, 7, 1010 * ms);
    assert_int_equal(pace_due_ns(&pace), 1010 * ms); /* but no more came */
    assert_false(pace_end(&pace, 1003, 1010 * ms));
    pace_count(&pace, 100, 7, 1010 * ms);
    assert_false(pace_end(&pace, 1004, 1010 * ms));
    assert_false(pace_first(&pace));
}

static void a_round_has_no_more_bytes_than_a_request_but_takes_any_one_message(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 4000, 50000, 1000000);
    assert_false(pace_full(&pace, 500000));
    pace_count(&pace, 500000, 0, 0);
    assert_true(pace_full(&pace, 10));
    assert_false(pace_end(&pace, 1, 0));
    pace_count(&pace, 10, 0, 0);
    assert_false(pace_full(&pace, 24990));
    pace_count(&pace, 24990, 0, 0);
    assert_true(pace_full(&pace, 1));
}

static void nothing_that_can_be_sent_waits_for_an_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, "t");
    rig.options.linger_ms = 0;
    rig_must_start(&rig);
    int quick = 0; /* of five: a machine may stand still in one or two */
    for (uint64_t turn = 0; turn < 5; turn++) {
        struct fake_batch *batch = rig_batch(&rig, "t", 1 + 300 * turn, 300);
        assert_int_equal(kafka_sink_ops.submit(rig.sink, fake_batch_lend(batch)), LEAT_OK);
        int64_t longest = 0;
        while (!fake_batch_done(batch).calls) {
            int64_t began = rig_now_ms();
            assert_int_equal(kafka_sink_ops.poll(rig.sink, -1, &rig.error), LEAT_OK);
            longest = rig_now_ms() - began > longest ? rig_now_ms() - began : longest;
        }
        quick += longest < 900; /* a poll that sleeps for nothing takes a second */
    }
    assert_in_range(quick, 3, 5);
    rig_fini(&rig);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void properties_that_break_a_promise_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const char *const names[] = {"acks",
                                        "enable.idempotence",
                                        "message.timeout.ms",
                                        "delivery.timeout.ms",
                                        "retries",
                                        "partitioner",
                                        "max.in.flight.requests.per.connection",
                                        "group.id",
                                        "enable.gapless.guarantee",
                                        "transactional.id",
                                        "plugin.library.paths",
                                        "ssl.engine.location",
                                        "ssl.providers",
                                        "sasl.kerberos.kinit.cmd",
                                        "enable.sasl.oauthbearer.unsecure.jwt",
                                        "sasl.password",
                                        "test.mock.num.brokers",
                                        "queuing.strategy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct rig rig;
        rig_init_at(&rig, "127.0.0.1:1");
        leat_pair pair = {names[i], "1"};
        rig.options.properties = (leat_pairs){&pair, 1};
        assert_int_equal(rig_start(&rig), LEAT_ECONFIG);
        assert_non_null(strstr(rig.error.text, names[i]));
        assert_non_null(strstr(rig.error.text, "is refused: "));
        rig_fini(&rig);
    }
}

static void a_property_that_is_wrong_is_found_before_the_start(void **state)
{
    (void)state;
    static const leat_pair pairs[] = {{"no.such.property", "1"}, {"socket.timeout.ms", "many"}};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_init_at(&rig, "127.0.0.1:1");
        rig.options.properties = (leat_pairs){&pairs[i], 1};
        assert_int_equal(rig_start(&rig), LEAT_ECONFIG);
        assert_non_null(strstr(rig.error.text, pairs[i].name));
        rig_fini(&rig);
    }
}

static void a_start_without_a_broker_says_so(void **state)
{
    (void)state;
    struct rig rig;
    rig_init_at(&rig, "127.0.0.1:1");
    rig.options.connect_timeout_ms = 500;
    assert_int_equal(rig_start(&rig), LEAT_ERETRY);
    assert_non_null(strstr(rig.error.text, "no broker of 127.0.0.1:1 answers"));
    rig_fini(&rig);
}

/* ---- identities ------------------------------------------------------------------------------ */

static void only_ids_of_our_name_space_are_ours(void **state)
{
    (void)state;
    struct message_id id;
    static const char *const wrong[] = {"",
                                        "slot",
                                        "slot:",
                                        "slot:1/2",
                                        "slot:1/2:",
                                        "slot:1/2:3x",
                                        "slot:g/2:3",
                                        "slot:123456789/2:3",
                                        "slot:1/2:3/tomb",
                                        "slot2:1/2:3",
                                        "slo:1/2:3",
                                        "slot:1/2:9999999999999999999",
                                        "slot:1/2:3/tombstone ",
                                        "slot:/2:3",
                                        "slot:1/:3"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(message_id_parse(wrong[i], strlen(wrong[i]), "slot", &id));
    assert_true(message_id_parse("slot:16/B374D848:-1", 19, "slot", &id));
    assert_int_equal(id.identity.position, 0x16B374D848);
    assert_int_equal(id.identity.seq, -1);
    assert_false(id.tombstone);
    assert_true(message_id_parse("slot:0/1:7/tombstone", 20, "slot", &id));
    assert_true(id.tombstone);
}

static void the_newest_of_a_key_is_known_by_its_bytes(void **state)
{
    (void)state;
    enum { KEYS = 5000 };
    struct latest latest = {0};
    char text[32];
    struct message_id old = {.identity = {5, 0}}, new = {.identity = {9, 2}};
    assert_false(latest_is_behind(&latest, (leat_bytes){"a", 1}, old));
    for (int turn = 0; turn < 2; turn++)
        for (int i = 0; i < KEYS; i++) {
            leat_bytes key = {text, (size_t)snprintf(text, sizeof text, "{\"id\":%d}", i)};
            assert_true(latest_add(&latest, key, i % 2 == turn ? new : old));
        }
    assert_int_equal(latest.count, KEYS);
    for (int i = 0; i < KEYS; i++) {
        leat_bytes key = {text, (size_t)snprintf(text, sizeof text, "{\"id\":%d}", i)};
        assert_true(latest_is_behind(&latest, key, old));
        assert_false(latest_is_behind(&latest, key, new));
        key.len--;
        assert_false(latest_is_behind(&latest, key, old));
    }
    struct message_id gone = new;
    gone.tombstone = true; /* a deleted row's null value stands behind its record, not before it */
    assert_true(latest_add(&latest, (leat_bytes){"d", 1}, gone));
    assert_true(latest_is_behind(&latest, (leat_bytes){"d", 1}, new));
    assert_false(latest_is_behind(&latest, (leat_bytes){"d", 1}, gone));
    assert_true(latest_add(&latest, (leat_bytes){"", 0}, gone)); /* without a key there is none */
    assert_false(latest_is_behind(&latest, (leat_bytes){"", 0}, old));
    latest_clear(&latest);
    assert_int_equal(latest.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_arrive_once_and_in_order),
        cmocka_unit_test(what_the_topic_holds_is_not_sent_again),
        cmocka_unit_test(a_crash_with_records_in_flight_doubles_and_loses_nothing),
        cmocka_unit_test(records_of_others_behind_ours_are_walked_over),
        cmocka_unit_test(the_partition_of_a_key_is_that_of_the_java_clients),
        cmocka_unit_test(a_key_that_changes_leaves_a_tombstone_and_goes_on_under_the_new_one),
        cmocka_unit_test(a_transaction_leaves_its_position),
        cmocka_unit_test(two_rounds_are_out_at_most_and_one_where_the_brokers_take_long),
        cmocka_unit_test(a_round_to_several_places_has_to_be_flushed),
        cmocka_unit_test(
            a_round_that_is_not_full_ends_when_no_other_is_out_and_later_where_records_pour_in),
        cmocka_unit_test(a_round_has_no_more_bytes_than_a_request_but_takes_any_one_message),
        cmocka_unit_test(nothing_that_can_be_sent_waits_for_an_event),
        cmocka_unit_test(properties_that_break_a_promise_are_refused_with_the_reason),
        cmocka_unit_test(a_property_that_is_wrong_is_found_before_the_start),
        cmocka_unit_test(a_start_without_a_broker_says_so),
        cmocka_unit_test(only_ids_of_our_name_space_are_ours),
        cmocka_unit_test(the_newest_of_a_key_is_known_by_its_bytes),
    };
    return cmocka_run_group_tests_name("kafka_sink", tests, NULL, NULL);
}
