/* SPDX-License-Identifier: Apache-2.0
 *
 * test_deliver.c -- the sink against a real server: order, identity, nothing twice, nothing lost.
 * Argument: which server, "debian" or "current".
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

static const char *program;

struct place {
    struct bus bus;
    struct rig rig;
};

static int begin(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    *state = place;
    if (!program)
        return 0;
    bus_start(&place->bus, program, NULL);
    rig_init(&place->rig, &place->bus);
    return 0;
}

static int end(void **state)
{
    struct place *place = *state;
    if (place->rig.sink)
        rig_destroy(&place->rig);
    bus_stop(&place->bus);
    free(place);
    return 0;
}

#define NEED_SERVER()                                                                              \
    struct place *place = *state;                                                                  \
    struct bus *bus = &place->bus;                                                                 \
    struct rig *rig = &place->rig;                                                                 \
    (void)bus;                                                                                     \
    (void)rig;                                                                                     \
    if (!program) {                                                                                \
        print_message("no such server here\n");                                                    \
        skip();                                                                                    \
    }

/* The stream holds changes [0, count) once each, in order, with the right ids. */
static void assert_stream(struct place *place, uint64_t count)
{
    struct bus_messages all = bus_read(&place->bus, "S");
    uint64_t expected = 0;
    for (size_t i = 0; i < all.count; i++) {
        unsigned long long n;
        if (!all.items[i].id)
            continue; /* somebody else's */
        assert_int_equal(sscanf(all.items[i].data, "{\"n\":%llu", &n), 1);
        assert_int_equal(n, expected);
        leat_identity identity = rig_identity(&place->rig, n);
        char id[80];
        snprintf(id, sizeof id, "slot:%llX/%llX:%lld", (unsigned long long)identity.position >> 32,
                 (unsigned long long)(identity.position & 0xffffffffu), (long long)identity.seq);
        assert_string_equal(all.items[i].id, id);
        expected++;
    }
    assert_int_equal(expected, count);
    bus_messages_free(&all);
}

static void stores_each_change_once_in_order(void **state)
{
    NEED_SERVER();
    bus_stream(bus, "S", NULL);
    rig_create(rig);
    assert_int_equal(rig_start(rig, 5000), LEAT_OK);
    assert_int_equal(rig->start.holds, LEAT_HOLDS_NOTHING);
    assert_true(rig_run(rig, 5000, 20000));
    assert_int_equal(fake_host_breaches(rig->fake), 0);
    assert_stream(place, 5000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_each_change_once_in_order, begin, end),
    };
    program = bus_program(argc > 1 ? argv[1] : "debian");
    nats_Open(-1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_CloseAndWait(2000);
    return failed;
}
