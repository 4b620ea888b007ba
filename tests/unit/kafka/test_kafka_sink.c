/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_sink.c -- the sink against librdkafka's mock cluster: the Kafka rows of FAULTS, order,
 * nothing twice after a restart, records that are refused, topics that are not there.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

enum { PRODUCE = 0 }; /* ApiKey */

static void must_start(struct rig *rig)
{
    if (rig_start(rig) != LEAT_OK)
        fail_msg("the sink did not start: %s", rig->error.text);
}

static void must_deliver(struct rig *rig, struct fake_batch **batches, size_t count)
{
    leat_status status = rig_deliver(rig, batches, count, 30000);
    if (status == LEAT_OK)
        return;
    fake_host_print_logs(rig->fake);
    fail_msg("delivery ended with %d: %s", (int)status, rig->reason);
}

static void records_arrive_once_and_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3);
    rd_kafka_mock_topic_create(rig.mock, "t", 4, 3);
    must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_SELF);
    struct fake_batch *batches[20];
    for (uint32_t i = 0; i < 20; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    must_deliver(&rig, batches, 20);
    assert_int_equal(rig.restarts, 0);
    struct topic_view view = rig_view(&rig, "t", "read_committed");
    assert_int_equal(view.count, 10000);
    view_assert_exactly(&view, 1, 10000);
    view_free(&view);
    rig_fini(&rig);
}

static struct rig *begin(struct rig *rig, const char *topic)
{
    rig_init(rig, 3);
    if (topic)
        rd_kafka_mock_topic_create(rig->mock, topic, 4, 3);
    return rig;
}

/* Where an error is injected: the mock does not check sequence numbers, so a batch of messages that
 * follows a failed one on the wire would be taken, which a real broker does only where it knows
 * nothing of the producer yet.  With a long linger there is one batch a partition. */
static struct rig *begin_unpipelined(struct rig *rig, const char *topic)
{
    begin(rig, topic);
    rig->options.linger_ms = 50;
    return rig;
}

static void must_hold_exactly(struct rig *rig, const char *topic, uint64_t first, uint32_t count)
{
    struct topic_view view = rig_view(rig, topic, "read_committed");
    view_assert_exactly(&view, first, count);
    assert_int_equal(view.count, count);
    view_free(&view);
}

static void produce_error(struct rig *rig, size_t times, rd_kafka_resp_err_t err)
{
    rd_kafka_resp_err_t errs[16];
    for (size_t i = 0; i < times; i++)
        errs[i] = err;
    rd_kafka_mock_push_request_errors_array(rig->mock, PRODUCE, times, errs);
}

/* ---- nothing twice --------------------------------------------------------------------------- */

static void what_the_topic_holds_is_not_sent_again(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    struct fake_batch *first = rig_batch(&rig, "t", 1, 3000);
    must_deliver(&rig, &first, 1);
    for (int i = 0; i < 3; i++) { /* each of them replays everything, with more behind it */
        rig_crash(&rig);
        must_start(&rig);
        struct fake_batch *again = rig_batch(&rig, "t", 1, 3000 + 500 * (uint32_t)(i + 1));
        must_deliver(&rig, &again, 1);
    }
    must_hold_exactly(&rig, "t", 1, 4500);
    rig_fini(&rig);
}

static void a_crash_with_records_in_flight_doubles_and_loses_nothing(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    uint64_t durable = 0;
    for (uint32_t kill = 0; kill < 6; kill++) {
        struct fake_batch *batch = rig_batch(&rig, "t", durable + 1, 4000);
        const leat_batch *lent = fake_batch_lend(batch);
        while (kafka_sink_ops.submit(rig.sink, lent) == LEAT_AGAIN)
            (void)kafka_sink_ops.poll(rig.sink, 0, &rig.error);
        for (uint32_t i = 0; i < 3 + kill * 3; i++)
            (void)kafka_sink_ops.poll(rig.sink, 1, &rig.error);
        rig_crash(&rig);
        must_start(&rig);
        if (fake_batch_done(batch).status == LEAT_OK && fake_batch_done(batch).calls)
            durable += 1000; /* what is confirmed lags behind what is durable */
    }
    struct fake_batch *rest = rig_batch(&rig, "t", durable + 1, 12000 - (uint32_t)durable);
    must_deliver(&rig, &rest, 1);
    must_hold_exactly(&rig, "t", 1, 12000);
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
    must_start(begin(&rig, "t"));
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 3000);
    must_deliver(&rig, &batch, 1);
    produce_strangers(&rig, "t", 12000);
    rig_crash(&rig);
    must_start(&rig);
    batch = rig_batch(&rig, "t", 1001, 3000);
    must_deliver(&rig, &batch, 1);
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

/* ---- what brokers answer --------------------------------------------------------------------- */

static void errors_that_pass_are_survived_without_a_restart(void **state)
{
    static const rd_kafka_resp_err_t errs[] = {
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT};
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    for (uint32_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        produce_error(&rig, 5, errs[i]);
        struct fake_batch *batch = rig_batch(&rig, "t", 1 + i * 500, 500);
        must_deliver(&rig, &batch, 1);
    }
    assert_int_equal(rig.restarts, 0);
    must_hold_exactly(&rig, "t", 1, 2000);
    rig_fini(&rig);
}

/* A broker that has nothing of a producer yet takes what follows a failed first batch, and
 * librdkafka then takes the first one for delivered as well. */
static uint64_t most_flying;

static void watch_the_first(struct rig *rig)
{
    const struct leat_sink *sink = rig->sink;
    if (sink->acknowledged == 0 && sink->window.flying > most_flying)
        most_flying = sink->window.flying;
}

static void nothing_flies_beside_the_first_record_of_a_partition(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    rd_kafka_mock_broker_set_rtt(rig.mock, -1, 50);
    most_flying = 0;
    rig.between = watch_the_first;
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 500);
    must_deliver(&rig, &batch, 1);
    assert_in_range(most_flying, 0, 1);
    assert_int_equal(rig.restarts, 0);
    must_hold_exactly(&rig, "t", 1, 500);
    rig_fini(&rig);
}

static void a_delivery_without_an_offset_is_not_believed(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER); /* it has nothing of it */
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 500);
    must_deliver(&rig, &batch, 1);
    assert_int_not_equal(rig.restarts, 0);
    must_hold_exactly(&rig, "t", 1, 500);
    rig_fini(&rig);
}

static void a_leader_that_moves_is_followed(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    for (uint32_t i = 0; i < 6; i++) {
        for (int32_t partition = 0; partition < 4; partition++)
            rd_kafka_mock_partition_set_leader(rig.mock, "t", partition, 1 + (int32_t)i % 3);
        struct fake_batch *batch = rig_batch(&rig, "t", 1 + i * 500, 500);
        must_deliver(&rig, &batch, 1);
    }
    must_hold_exactly(&rig, "t", 1, 3000);
    rig_fini(&rig);
}

static void a_sequence_out_of_order_makes_a_new_producer(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[4];
    for (uint32_t i = 0; i < 4; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    must_deliver(&rig, batches, 1);
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    must_deliver(&rig, batches + 1, 3);
    assert_int_not_equal(rig.restarts, 0);
    must_hold_exactly(&rig, "t", 1, 2000);
    rig_fini(&rig);
}

static void a_topic_that_is_forbidden_for_a_while_makes_a_new_producer(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[4];
    for (uint32_t i = 0; i < 4; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    must_deliver(&rig, batches, 1);
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    must_deliver(&rig, batches + 1, 3);
    assert_int_not_equal(rig.restarts, 0);
    must_hold_exactly(&rig, "t", 1, 2000);
    rig_fini(&rig);
}

static int64_t up_again_ms;

static void raise_brokers(struct rig *rig)
{
    if (!up_again_ms || rig_now_ms() < up_again_ms)
        return;
    for (int32_t id = 1; id <= 3; id++)
        rd_kafka_mock_broker_set_up(rig->mock, id);
    up_again_ms = 0;
}

static void brokers_that_are_down_for_a_while_are_waited_for(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    rig.between = raise_brokers;
    for (uint32_t i = 0; i < 2; i++) {
        struct fake_batch *batches[4];
        for (uint32_t k = 0; k < 4; k++)
            batches[k] = rig_batch(&rig, "t", 1 + i * 2000 + k * 500, 500);
        must_deliver(&rig, batches, 1);
        for (int32_t id = 1; id <= 3; id++)
            rd_kafka_mock_broker_set_down(rig.mock, id);
        up_again_ms = rig_now_ms() + 2500;
        must_deliver(&rig, batches + 1, 3);
        assert_int_equal(up_again_ms, 0);
    }
    must_hold_exactly(&rig, "t", 1, 4000);
    assert_int_not_equal(fake_host_logged(rig.fake, "brokers do not acknowledge"), 0);
    rig_fini(&rig);
}

/* ---- records that are refused ---------------------------------------------------------------- */

static void a_batch_that_is_refused_once_is_sent_one_by_one(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[4];
    for (uint32_t i = 0; i < 4; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 100, 100);
    must_deliver(&rig, batches, 1);
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    must_deliver(&rig, batches + 1, 3);
    assert_int_equal(rig.restarts, 1);
    must_hold_exactly(&rig, "t", 1, 400);
    rig_fini(&rig);
}

static void a_record_that_the_broker_refuses_alone_is_rejected(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[3];
    for (uint32_t i = 0; i < 3; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 100, 100);
    must_deliver(&rig, batches, 1);
    struct fake_batch *one = rig_batch(&rig, "t", 1000, 1);
    produce_error(&rig, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    struct fake_batch *rest[2] = {one, batches[1]};
    assert_int_equal(rig_deliver(&rig, rest, 1, 10000), LEAT_EREJECT);
    assert_int_equal(fake_batch_done(one).durable_count, 0);
    must_hold_exactly(&rig, "t", 1, 100); /* and nothing behind it */
    must_deliver(&rig, batches + 1, 2);
    must_hold_exactly(&rig, "t", 1, 300);
    rig_fini(&rig);
}

static void a_record_that_is_too_large_stops_the_line_before_it(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    rig.options.max_message = 5000;
    must_start(&rig);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 10), *next = rig_batch(&rig, "t", 100, 10);
    char *large = malloc(8001);
    memset(large, 'x', 8000);
    large[8000] = 0;
    rig_add(batch, "t", 11, 0, LEAT_INSERT, "{\"id\":1}", NULL, large);
    rig_add(batch, "t", 12, 0, LEAT_INSERT, "{\"id\":1}", NULL, "{}");
    free(large);
    struct fake_batch *both[2] = {batch, next};
    assert_int_equal(rig_deliver(&rig, both, 2, 10000), LEAT_EREJECT);
    assert_int_equal(fake_batch_done(batch).durable_count, 10);
    must_hold_exactly(&rig, "t", 1, 10); /* all before it are durable, none behind it was sent */
    /* The host dead-letters it and offers the rest. */
    const leat_batch *rest = fake_batch_lend_from(batch, 11);
    while (!fake_batch_done(batch).calls) {
        (void)kafka_sink_ops.submit(rig.sink, rest);
        assert_int_equal(kafka_sink_ops.poll(rig.sink, 20, &rig.error), LEAT_OK);
    }
    assert_int_equal(fake_batch_done(batch).status, LEAT_OK);
    rig_fini(&rig);
}

static void a_topic_that_does_not_exist_is_named(void **state)
{
    (void)state;
    struct rig rig;
    must_start(begin(&rig, "t"));
    rd_kafka_mock_topic_create(rig.mock, "gone", 1, 1);
    rd_kafka_mock_topic_set_error(rig.mock, "gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 10);
    rig_add(batch, "gone", 11, 0, LEAT_INSERT, "{\"id\":1}", NULL, "{}");
    assert_int_equal(rig_offer(&rig, batch, 10000), LEAT_ERETRY);
    struct fake_done done = fake_batch_done(batch);
    assert_int_equal(done.durable_count, 10);
    assert_non_null(strstr(done.text, "topic gone does not exist; create it or set create_topics"));
    rd_kafka_mock_topic_set_error(rig.mock, "gone", RD_KAFKA_RESP_ERR_NO_ERROR);
    struct fake_batch *again = fake_batch_create(rig.fake);
    rig_add(again, "gone", 11, 0, LEAT_INSERT, "{\"id\":1}", NULL, "{}");
    assert_int_equal(rig_offer(&rig, again, 10000), LEAT_OK);
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
    begin(&rig, "t");
    rig.options.tombstones = true;
    must_start(&rig);
    for (int replay = 0; replay < 2; replay++) {
        struct fake_batch *batch = fake_batch_create(rig.fake);
        rig_add(batch, "t", 1, 0, LEAT_INSERT, "{\"id\":1}", NULL, "insert 1");
        rig_add(batch, "t", 1, 1, LEAT_UPDATE, "{\"id\":1}", "{\"id\":2}", "1 becomes 2");
        rig_add(batch, "t", 1, 2, LEAT_INSERT, "{\"id\":1}", NULL, "insert 1 again");
        rig_add(batch, "t", 1, 3, LEAT_DELETE, "{\"id\":2}", NULL, "delete 2");
        must_deliver(&rig, &batch, 1);
        rig_crash(&rig);
        must_start(&rig);
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
    begin(&rig, "t");
    rd_kafka_mock_topic_create(rig.mock, "leat-positions", 3, 3);
    rig.options.transactional_id = "leat-shop";
    rig.options.transaction_records = 700;
    must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_NOTHING);
    struct fake_batch *batches[6];
    for (uint32_t i = 0; i < 6; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    must_deliver(&rig, batches, 6);
    rig_crash(&rig);
    must_start(&rig);
    assert_int_equal(rig.start.holds, LEAT_HOLDS_LAST);
    assert_int_equal(rig.start.last.position, 3000);
    must_hold_exactly(&rig, "t", 1, 3000);
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
        pace_count(&pace, 100, 7);
        next++;
        if (pace_full(&pace, 0))
            assert_true(pace_end(&pace, next, 0)); /* a full request to one place */
    }
    assert_int_equal(next, 40);
    pace_acknowledge(&pace, 19, 1000);
    assert_false(pace_room(&pace));
    pace_acknowledge(&pace, 20, 1000);
    assert_true(pace_room(&pace));
    pace_count(&pace, 100, 7);
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
    pace_count(&pace, 100, 7);
    pace_count(&pace, 100, 8);
    assert_true(pace_full(&pace, 0));
    assert_false(pace_end(&pace, 2, 0));
}

static void a_round_has_no_more_bytes_than_a_request_but_takes_any_one_message(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 4000, 50000, 1000000);
    assert_false(pace_full(&pace, 500000));
    pace_count(&pace, 500000, 0);
    assert_true(pace_full(&pace, 10));
    assert_false(pace_end(&pace, 1, 0));
    pace_count(&pace, 10, 0);
    assert_false(pace_full(&pace, 24990));
    pace_count(&pace, 24990, 0);
    assert_true(pace_full(&pace, 1));
}

static void nothing_that_can_be_sent_waits_for_an_event(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    rig.options.linger_ms = 0;
    must_start(&rig);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 300);
    assert_int_equal(kafka_sink_ops.submit(rig.sink, fake_batch_lend(batch)), LEAT_OK);
    int64_t longest = 0;
    while (!fake_batch_done(batch).calls) {
        int64_t began = rig_now_ms();
        assert_int_equal(kafka_sink_ops.poll(rig.sink, -1, &rig.error), LEAT_OK);
        longest = rig_now_ms() - began > longest ? rig_now_ms() - began : longest;
    }
    assert_in_range(longest, 0, 900); /* a poll that sleeps for nothing takes a second */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_arrive_once_and_in_order),
        cmocka_unit_test(what_the_topic_holds_is_not_sent_again),
        cmocka_unit_test(a_crash_with_records_in_flight_doubles_and_loses_nothing),
        cmocka_unit_test(records_of_others_behind_ours_are_walked_over),
        cmocka_unit_test(errors_that_pass_are_survived_without_a_restart),
        cmocka_unit_test(nothing_flies_beside_the_first_record_of_a_partition),
        cmocka_unit_test(a_delivery_without_an_offset_is_not_believed),
        cmocka_unit_test(a_leader_that_moves_is_followed),
        cmocka_unit_test(a_sequence_out_of_order_makes_a_new_producer),
        cmocka_unit_test(a_topic_that_is_forbidden_for_a_while_makes_a_new_producer),
        cmocka_unit_test(brokers_that_are_down_for_a_while_are_waited_for),
        cmocka_unit_test(a_batch_that_is_refused_once_is_sent_one_by_one),
        cmocka_unit_test(a_record_that_the_broker_refuses_alone_is_rejected),
        cmocka_unit_test(a_record_that_is_too_large_stops_the_line_before_it),
        cmocka_unit_test(a_topic_that_does_not_exist_is_named),
        cmocka_unit_test(the_partition_of_a_key_is_that_of_the_java_clients),
        cmocka_unit_test(a_key_that_changes_leaves_a_tombstone_and_goes_on_under_the_new_one),
        cmocka_unit_test(a_transaction_leaves_its_position),
        cmocka_unit_test(two_rounds_are_out_at_most_and_one_where_the_brokers_take_long),
        cmocka_unit_test(a_round_to_several_places_has_to_be_flushed),
        cmocka_unit_test(a_round_has_no_more_bytes_than_a_request_but_takes_any_one_message),
        cmocka_unit_test(nothing_that_can_be_sent_waits_for_an_event),
        cmocka_unit_test(properties_that_break_a_promise_are_refused_with_the_reason),
        cmocka_unit_test(a_property_that_is_wrong_is_found_before_the_start),
        cmocka_unit_test(a_start_without_a_broker_says_so),
        cmocka_unit_test(only_ids_of_our_name_space_are_ours),
    };
    return cmocka_run_group_tests_name("kafka_sink", tests, NULL, NULL);
}
