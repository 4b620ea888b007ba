/* SPDX-License-Identifier: Apache-2.0
 *
 * test_source_loop.c -- when the source rests: how far its sinks may be behind it.  No thread, and a
 * clock that the test turns; a sink is what takes from a channel and gives back.
 */
#include "source_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define MEMORY                                                                                     \
    (128 * MIB) /* a batch's share of it is small: enough is the least there is, 16 MiB */
#define ENOUGH (16 * MIB)
#define CHANGE_BYTES ((size_t)60000) /* a batch is one change, and fills a slab */
#define MS INT64_C(1000000)

static int64_t now_ns;
static struct source_loop loop;
static struct channel channels[2];
static struct journal journal;
static struct doorbell control_bell;
static uint64_t position;

static int64_t fake_now_ns(const struct clock *clock)
{
    (void)clock;
    return now_ns;
}

static const struct clock fake_clock = {fake_now_ns};

static void no_log(const leat_host *host, int32_t level, const char *message,
                   const leat_field *fields, size_t count)
{
    (void)host, (void)level, (void)message, (void)fields, (void)count;
}

static int set_up(void **state)
{
    static const leat_source_ops ops = {.size = sizeof ops};
    struct source_loop_setup setup = {
        .clock = &fake_clock,
        .pipeline = "p",
        .ops = &ops,
        .memory = MEMORY,
        .memory_factor = 1,
        .batch_size = SLAB_SIZE,
        .tally_tables = 10,
        .channels = channels,
        .channel_count = 2,
        .journal = &journal,
        .log = no_log,
    };

    (void)state;
    memset(channels, 0, sizeof channels);
    now_ns = 3600000 * MS;
    position = 0;
    control_bell.fd = -1;
    return doorbell_init(&control_bell) && journal_init(&journal, &control_bell, &loop.bell) &&
                   source_loop_init(&loop, &setup)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    source_loop_fini(&loop);
    journal_fini(&journal);
    doorbell_fini(&control_bell);
    return 0;
}

/* As a source's plugin does it; false: it gets no batch now. */
static bool publish(void)
{
    leat_error error = {.size = sizeof error};
    leat_writer *writer;
    leat_change *change;

    if (loop.host.batch_open(&loop.host, &writer) != LEAT_OK)
        return false;
    assert_int_equal(leat_writer_reserve(&loop.host, writer, CHANGE_BYTES, &error), LEAT_OK);
    change = leat_writer_append(writer);
    change->identity.position = ++position;
    change->op = LEAT_MESSAGE;
    (void)leat_arena_take(&writer->arena, CHANGE_BYTES - leat_writer_change_size(writer) - 8);
    writer->safe_position = position;
    loop.host.batch_publish(&loop.host, writer);
    return true;
}

/* As a sink's worker does it: the oldest `count` batches are durable. */
static void give_back(unsigned sink, unsigned count)
{
    struct batch *batch;

    while (count-- > 0 && (batch = ring_pop(&channels[sink].forward)) != NULL)
        assert_true(ring_push(&channels[sink].reclaim, batch));
}

/* Publishes until it gets no batch, a millisecond each; after each the first sink gives back all that
 * it has, and the other one batch in `every`; 0: none. */
static void publish_past(unsigned every)
{
    for (unsigned count = 1; publish(); count++) {
        now_ns += MS;
        give_back(0, UINT32_MAX);
        if (every > 0 && count % every == 0)
            give_back(1, 1);
    }
}

/* It rests of its own will: there are batches, and there is memory. */
static bool rests(void)
{
    return !publish() && loop.resting && loop.free_count > 0 && loop.pool.used < loop.pool.count;
}

static void assert_about(size_t bytes, size_t wanted)
{
    assert_in_range(bytes, wanted - 2 * SLAB_SIZE, wanted + 2 * SLAB_SIZE);
}

/* ---- the rule ------------------------------------------------------------------------------- */

static void rests_when_every_sink_has_enough(void **state)
{
    (void)state;
    assert_int_equal(loop.ahead_enough, ENOUGH);
    while (publish())
        ;
    assert_true(rests());
    assert_about(loop.ahead[0], ENOUGH);
    assert_about(loop.ahead[1], ENOUGH);
    while (!publish())
        give_back(1, 1);
    assert_about(loop.ahead[1], ENOUGH - ENOUGH / 4); /* one of them has a quarter less */
    assert_about(loop.ahead[0], ENOUGH);
}

static void rests_when_a_slower_sink_has_twice_as_much(void **state)
{
    (void)state;
    publish_past(4);
    assert_true(rests());
    assert_int_equal(loop.ahead[0], 0);
    assert_about(loop.ahead[1], 2 * ENOUGH);
    for (; !publish(); now_ns += 4 * MS)
        give_back(1, 1);
    assert_about(loop.ahead[1], 2 * (ENOUGH - ENOUGH / 4));
}

static void a_sink_that_stands_still_leaves_the_others_the_whole_pool(void **state)
{
    (void)state;
    publish_past(0);
    assert_false(rests());
    assert_int_equal(loop.free_count, 0);
    assert_int_equal(loop.pool.used, loop.pool.count);
    assert_int_equal(loop.ahead[0], 0);
    assert_true(loop.ahead[1] > 7 * ENOUGH);
    give_back(1, 1); /* it moves again, so it sets the pace; */
    assert_true(rests());
    now_ns += 1000 * MS; /* and stands still once more */
    assert_true(publish());
}

static void a_sink_that_was_dropped_sets_no_pace(void **state)
{
    (void)state;
    atomic_store(&channels[1].order, CHANNEL_DROP);
    publish_past(4);
    assert_false(rests());
    assert_int_equal(loop.free_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rests_when_every_sink_has_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rests_when_a_slower_sink_has_twice_as_much, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_sink_that_stands_still_leaves_the_others_the_whole_pool,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sink_that_was_dropped_sets_no_pace, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
