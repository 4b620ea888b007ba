/* SPDX-License-Identifier: Apache-2.0
 *
 * test_atomic.c -- atomic batches where something stands in their way: an id that the server knows,
 * somebody else's messages, a transaction whose end does not come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "fake_sink_host.h"
#include "stage.h"

#define ATOMIC "\"allow_atomic\":true,\"duplicate_window\":600000000000"

#define NEED_ATOMIC()                                                                              \
    NEED_VERSION(2, 12);                                                                           \
    rig->options.publish = PUBLISH_ATOMIC;                                                         \
    bus_stream(bus, "S", ATOMIC)

/* How often each change of [0, count) is in the stream. */
static void assert_once_each(struct bus *bus, unsigned count, unsigned except)
{
    struct bus_messages all = bus_read(bus, "S");
    unsigned char *seen = calloc(count, 1);
    for (size_t i = 0; i < all.count; i++) {
        unsigned long long n;
        if (all.items[i].data && sscanf(all.items[i].data, "{\"n\":%llu", &n) == 1) {
            assert_true(n < count);
            seen[n]++;
        }
    }
    for (unsigned n = 0; n < count; n++)
        if (seen[n] != (n == except ? 0 : 1))
            fail_msg("change %u is there %u times", n, seen[n]);
    free(seen);
    bus_messages_free(&all);
}

/* Err 10201: the server knows one id of the batch and refuses all of it.  The sink looks what is
 * there, and sends what is not. */
static void a_known_id_in_a_batch_is_looked_for(void **state)
{
    NEED_ATOMIC();
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    assert_true(bus_publish_id(bus, "S.t", "slot:0/1:3")); /* as if change 3 had got there alone */
    while (!rig->restarts)
        assert_true(rig_step(rig, 500));
    if (!strstr(rig->error.text, "10201"))
        fail_msg("%s", rig->error.text);
    assert_true(rig_run(rig, 500, 20000));
    assert_once_each(bus, 500, 3);
}

static void somebody_else_between_batches_loses_nothing(void **state)
{
    NEED_ATOMIC();
    rig_create(rig);
    for (uint64_t until = 100; until <= 1000; until += 100) {
        assert_true(rig_step(rig, until + 60));
        bus_publish(bus, "S.foreign", "x");
        assert_true(rig_run(rig, until, 20000));
    }
    assert_int_equal(rig->restarts, 0);
    assert_honest(stage);
    assert_once_each(bus, (unsigned)rig->durable, UINT32_MAX);
}

static void somebody_else_between_batches_loses_nothing_with_sequence(void **state)
{
    NEED_ATOMIC();
    rig->options.dedupe = DEDUPE_SEQUENCE;
    rig_create(rig);
    assert_true(rig_run(rig, 300, 20000));
    bus_publish(bus, "S.foreign", "x");
    assert_true(rig_run(rig, 600, 20000));
    assert_true(rig->restarts >= 1);
    assert_once_each(bus, 600, UINT32_MAX);
}

/* A large transaction whose end the host's memory has no room for: it goes in marked parts. */
static void a_transaction_that_does_not_end_goes_in_parts(void **state)
{
    NEED_ATOMIC();
    rig->per_transaction = 900;
    rig->value_size = 4000;
    rig_create(rig);
    assert_true(rig_run(rig, 400, 20000)); /* 1.6 MB, and no more comes */
    struct bus_messages all = bus_read(bus, "S");
    assert_int_equal(all.count, 400);
    assert_int_equal(atoi(all.items[0].headers), 1); /* leat-part */
    bus_messages_free(&all);
    assert_true(rig_run(rig, 900, 20000));
    assert_once_each(bus, 900, UINT32_MAX);
}

/* The host's memory may be full of other things, too: however little waits, it does not wait for
 * ever. */
static void a_small_transaction_that_does_not_end_goes_in_parts(void **state)
{
    NEED_ATOMIC();
    rig->per_transaction = 900;
    rig->value_size = 100;
    rig_create(rig);
    assert_true(rig_run(rig, 40, 20000));
    struct bus_messages all = bus_read(bus, "S");
    assert_int_equal(all.count, 40);
    assert_int_equal(atoi(all.items[0].headers), 1);
    bus_messages_free(&all);
    assert_true(rig_run(rig, 900, 20000));
    assert_once_each(bus, 900, UINT32_MAX);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(a_known_id_in_a_batch_is_looked_for),
        T(somebody_else_between_batches_loses_nothing),
        T(somebody_else_between_batches_loses_nothing_with_sequence),
        T(a_transaction_that_does_not_end_goes_in_parts),
        T(a_small_transaction_that_does_not_end_goes_in_parts),
    };
    if (stage_main(argc, argv))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
