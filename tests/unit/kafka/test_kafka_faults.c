/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kafka_faults.c -- the sink against librdkafka's mock cluster: the Kafka rows of FAULTS, records
 * that are refused, topics that are not there.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

enum { FETCH = 1, END_TXN = 26 }; /* the requests' numbers in the protocol */

/* ---- what brokers answer --------------------------------------------------------------------- */

static void errors_that_pass_are_survived_without_a_restart(void **state)
{
    static const rd_kafka_resp_err_t errs[] = {
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT};
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    for (uint32_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        rig_produce_error(&rig, 5, errs[i]);
        struct fake_batch *batch = rig_batch(&rig, "t", 1 + i * 500, 500);
        rig_must_deliver(&rig, &batch, 1);
    }
    assert_int_equal(rig.restarts, 0);
    rig_must_hold_exactly(&rig, "t", 1, 2000);
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
    rig_must_start(rig_begin(&rig, "t"));
    rd_kafka_mock_broker_set_rtt(rig.mock, -1, 50);
    most_flying = 0;
    rig.between = watch_the_first;
    rig_produce_error(&rig, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 500);
    rig_must_deliver(&rig, &batch, 1);
    assert_in_range(most_flying, 0, 1);
    assert_int_equal(rig.restarts, 0);
    rig_must_hold_exactly(&rig, "t", 1, 500);
    rig_fini(&rig);
}

static void a_delivery_without_an_offset_is_not_believed(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    rig_produce_error(&rig, 1,
                      RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER); /* it has nothing of it */
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 500);
    rig_must_deliver(&rig, &batch, 1);
    assert_int_not_equal(rig.restarts, 0);
    rig_must_hold_exactly(&rig, "t", 1, 500);
    rig_fini(&rig);
}

static void a_leader_that_moves_is_followed(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    for (uint32_t i = 0; i < 6; i++) {
        for (int32_t partition = 0; partition < 4; partition++)
            rd_kafka_mock_partition_set_leader(rig.mock, "t", partition, 1 + (int32_t)i % 3);
        struct fake_batch *batch = rig_batch(&rig, "t", 1 + i * 500, 500);
        rig_must_deliver(&rig, &batch, 1);
    }
    rig_must_hold_exactly(&rig, "t", 1, 3000);
    rig_fini(&rig);
}

/* Four batches, the second of which meets an error; how often the sink began anew. */
static int restarts_after(rd_kafka_resp_err_t err, uint32_t each)
{
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[4];
    for (uint32_t i = 0; i < 4; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * each, each);
    rig_must_deliver(&rig, batches, 1);
    rig_produce_error(&rig, 1, err);
    rig_must_deliver(&rig, batches + 1, 3);
    rig_must_hold_exactly(&rig, "t", 1, 4 * each);
    int restarts = rig.restarts;
    rig_fini(&rig);
    return restarts;
}

static void a_sequence_out_of_order_makes_a_new_producer(void **state)
{
    (void)state;
    assert_int_not_equal(restarts_after(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 500), 0);
}

static void a_topic_that_is_forbidden_for_a_while_makes_a_new_producer(void **state)
{
    (void)state;
    assert_int_not_equal(restarts_after(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 500), 0);
}

/* Its leader has moved to a broker that lags, or retention was quicker than the look: where the
 * reader stands there is nothing.  Going on at the end would pass over what the topic holds. */
static void a_tail_that_is_cut_off_under_the_reader_is_read_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin(&rig, "t"));
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 1000);
    rig_must_deliver(&rig, &batch, 1);
    rig_crash(&rig);
    rig_must_start(&rig);
    rd_kafka_mock_push_request_errors(rig.mock, FETCH, 3, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                      RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                      RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    batch = rig_batch(&rig, "t", 1, 1500);
    rig_must_deliver(&rig, &batch, 1);
    rig_must_hold_exactly(&rig, "t", 1, 1500);
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
    rig_must_start(rig_begin(&rig, "t"));
    rig.between = raise_brokers;
    for (uint32_t i = 0; i < 2; i++) {
        struct fake_batch *batches[4];
        for (uint32_t k = 0; k < 4; k++)
            batches[k] = rig_batch(&rig, "t", 1 + i * 2000 + k * 500, 500);
        rig_must_deliver(&rig, batches, 1);
        for (int32_t id = 1; id <= 3; id++)
            rd_kafka_mock_broker_set_down(rig.mock, id);
        up_again_ms = rig_now_ms() + 2500;
        rig_must_deliver(&rig, batches + 1, 3);
        assert_int_equal(up_again_ms, 0);
    }
    rig_must_hold_exactly(&rig, "t", 1, 4000);
    assert_int_not_equal(fake_host_logged(rig.fake, "brokers do not acknowledge"), 0);
    rig_fini(&rig);
}

/* ---- records that are refused ---------------------------------------------------------------- */

static void a_batch_that_is_refused_once_is_sent_one_by_one(void **state)
{
    (void)state;
    assert_int_equal(restarts_after(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 100), 1);
}

static void a_record_that_the_broker_refuses_alone_is_rejected(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[3];
    for (uint32_t i = 0; i < 3; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 100, 100);
    rig_must_deliver(&rig, batches, 1);
    struct fake_batch *one = rig_batch(&rig, "t", 1000, 1);
    rig_produce_error(&rig, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    struct fake_batch *rest[2] = {one, batches[1]};
    assert_int_equal(rig_deliver(&rig, rest, 1, 10000), LEAT_EREJECT);
    assert_int_equal(fake_batch_done(one).durable_count, 0);
    rig_must_hold_exactly(&rig, "t", 1, 100); /* and nothing behind it */
    rig_must_deliver(&rig, batches + 1, 2);
    rig_must_hold_exactly(&rig, "t", 1, 300);
    rig_fini(&rig);
}

static void a_record_that_is_too_large_stops_the_line_before_it(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, "t");
    rig.options.max_message = 5000;
    rig_must_start(&rig);
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
    rig_must_hold_exactly(&rig, "t", 1,
                          10); /* all before it are durable, none behind it was sent */
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
    rig_must_start(rig_begin(&rig, "t"));
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

static void bring_topic_back(struct rig *rig)
{
    if (!up_again_ms || rig_now_ms() < up_again_ms)
        return;
    rd_kafka_mock_topic_set_error(rig->mock, "t", RD_KAFKA_RESP_ERR_NO_ERROR);
    up_again_ms = 0;
}

/* Of a topic that it knows, the producer is told for a while that there is none. */
static void a_topic_that_is_missing_for_a_moment_loses_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_must_start(rig_begin_unpipelined(&rig, "t"));
    struct fake_batch *batches[4];
    for (uint32_t i = 0; i < 4; i++)
        batches[i] = rig_batch(&rig, "t", 1 + i * 500, 500);
    rig_must_deliver(&rig, batches, 1);
    rig.between = bring_topic_back;
    up_again_ms = rig_now_ms() + 1500;
    rd_kafka_mock_topic_set_error(rig.mock, "t", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rig_produce_error(&rig, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION); /* it asks anew */
    rig_must_deliver(&rig, batches + 1, 3);
    up_again_ms = 1; /* the reader, at any rate, has to find it */
    bring_topic_back(&rig);
    rig_must_hold_exactly(&rig, "t", 1, 2000);
    rig_fini(&rig);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void a_commit_that_is_not_answered_is_told_of_and_waited_for(void **state)
{
    static const char told[] = "brokers do not answer the end of a transaction";
    (void)state;
    struct rig rig;
    rig_begin(&rig, "t");
    rd_kafka_mock_topic_create(rig.mock, "leat-positions", 3, 3);
    rig.options.transactional_id = "leat-shop";
    rig.options.stall_check_ms = 300;
    rig_must_start(&rig);
    for (int32_t broker = 1; broker <= 3; broker++)
        rd_kafka_mock_broker_push_request_error_rtts(rig.mock, broker, END_TXN, (size_t)1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, 2000);
    struct fake_batch *batch = rig_batch(&rig, "t", 1, 500);
    rig_must_deliver(&rig, &batch, 1);
    assert_int_not_equal(fake_host_logged(rig.fake, told), 0);
    assert_int_equal(rig.restarts, 0);
    rig_must_hold_exactly(&rig, "t", 1, 500);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_that_pass_are_survived_without_a_restart),
        cmocka_unit_test(nothing_flies_beside_the_first_record_of_a_partition),
        cmocka_unit_test(a_delivery_without_an_offset_is_not_believed),
        cmocka_unit_test(a_leader_that_moves_is_followed),
        cmocka_unit_test(a_sequence_out_of_order_makes_a_new_producer),
        cmocka_unit_test(a_topic_that_is_forbidden_for_a_while_makes_a_new_producer),
        cmocka_unit_test(a_tail_that_is_cut_off_under_the_reader_is_read_anew),
        cmocka_unit_test(brokers_that_are_down_for_a_while_are_waited_for),
        cmocka_unit_test(a_batch_that_is_refused_once_is_sent_one_by_one),
        cmocka_unit_test(a_record_that_the_broker_refuses_alone_is_rejected),
        cmocka_unit_test(a_record_that_is_too_large_stops_the_line_before_it),
        cmocka_unit_test(a_topic_that_does_not_exist_is_named),
        cmocka_unit_test(a_topic_that_is_missing_for_a_moment_loses_nothing),
        cmocka_unit_test(a_commit_that_is_not_answered_is_told_of_and_waited_for),
    };
    return cmocka_run_group_tests_name("kafka_faults", tests, NULL, NULL);
}
