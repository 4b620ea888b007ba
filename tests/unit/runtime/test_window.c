/* SPDX-License-Identifier: Apache-2.0
 *
 * test_window.c -- the confirmable position moves only over the durable prefix, after its hold.
 */
#include "window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BATCHES 64

static struct window window;
static struct batch batches[BATCHES];
static unsigned left;

static void leave(void *context, struct batch *batch)
{
    (void)context;
    (void)batch;
    left++;
}

static int set_up(void **state)
{
    (void)state;
    memset(batches, 0, sizeof batches);
    left = 0;
    return window_init(&window, BATCHES) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    window_fini(&window);
    return 0;
}

static void add(unsigned index, uint64_t safe, uint32_t sinks)
{
    batches[index].writer.serial = window.tail;
    batches[index].writer.safe_position = safe;
    batches[index].last = (leat_identity){safe, 0};
    batches[index].pending = sinks;
    window_add(&window, &batches[index]);
}

static void moves_only_over_the_durable_prefix(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        add(i, 100 + i, 2);
    batches[1].pending = batches[2].pending = 0;
    assert_false(window_advance(&window, 0, leave, NULL));
    batches[0].pending = 1; /* one sink of two */
    assert_false(window_advance(&window, 0, leave, NULL));
    batches[0].pending = 0;
    assert_true(window_advance(&window, 0, leave, NULL));
    assert_int_equal(window.durable.value, 102);
    assert_int_equal(window.durable_last.position, 102);
    assert_int_equal(left, 3);
    batches[3].pending = 0;
    assert_true(window_advance(&window, 0, leave, NULL));
    assert_int_equal(window.durable.value, 103);
    assert_true(window_is_empty(&window));
}

static void batch_inside_a_transaction_confirms_nothing_new(void **state)
{
    (void)state;
    add(0, 100, 1);
    add(1, 100, 1); /* ends inside the next transaction: the safe position stays */
    batches[0].pending = batches[1].pending = 0;
    assert_true(window_advance(&window, 0, leave, NULL));
    assert_int_equal(window.durable.value, 100);
}

static void idle_position_counts_only_when_nothing_is_in_flight(void **state)
{
    (void)state;
    add(0, 100, 1);
    window_idle(&window, (position_seen){500});
    assert_false(window_advance(&window, 0, leave, NULL));
    batches[0].pending = 0;
    assert_true(window_advance(&window, 0, leave, NULL));
    assert_int_equal(window.durable.value, 500);
    window_idle(&window, (position_seen){400}); /* never back */
    assert_false(window_advance(&window, 0, leave, NULL));
    assert_int_equal(window.durable.value, 500);
}

static void hold_keeps_the_position_back_and_the_memory_not(void **state)
{
    (void)state;
    add(0, 100, 1);
    add(1, 101, 1);
    atomic_store(&batches[0].hold_until_ns, 1000);
    batches[0].pending = batches[1].pending = 0;
    assert_false(window_advance(&window, 10, leave, NULL));
    assert_int_equal(left, 2);
    assert_int_equal(window.durable.value, 0);
    assert_int_equal(window_next_ns(&window, 10), 990);
    assert_true(window_advance(&window, 1000, leave, NULL));
    assert_int_equal(window.durable.value, 101);
    assert_int_equal(window_next_ns(&window, 1000), -1);
}

/* However many holds wait, their number is bounded, none is let go early, and all are in the end. */
static void holds_are_bounded_and_never_early(void **state)
{
    int64_t now_ns = 0;
    const int64_t second = 1000000000;

    (void)state;
    for (unsigned turn = 0; turn < 100000; turn++) {
        unsigned at = turn % BATCHES;
        now_ns += second / 50;
        add(at, 1000 + turn, 1);
        atomic_store(&batches[at].hold_until_ns, now_ns + 150 * second);
        batches[at].pending = 0;
        (void)window_advance(&window, now_ns, leave, NULL);
        assert_true(window.mark_count <= WINDOW_MARKS);
        if (window.durable.value > 0) {
            /* what is confirmed was accepted at least 150 s ago */
            int64_t accepted_ns = (int64_t)(window.durable.value - 1000 + 1) * (second / 50);
            assert_true(accepted_ns + 150 * second <= now_ns);
            /* and it is not far behind */
            assert_true(now_ns - accepted_ns < 155 * second);
        }
    }
    (void)window_advance(&window, now_ns + 200 * second, leave, NULL);
    assert_int_equal(window.durable.value, 1000 + 99999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves_only_over_the_durable_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(batch_inside_a_transaction_confirms_nothing_new, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(idle_position_counts_only_when_nothing_is_in_flight, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hold_keeps_the_position_back_and_the_memory_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(holds_are_bounded_and_never_early, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
