/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ring.c -- the ring and the doorbell between two real threads: nothing lost, doubled,
 * reordered, and nobody sleeps while there is work.  For TSan above all.
 */
#include "doorbell.h"
#include "ring.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 200000u

static struct ring ring, back;
static struct doorbell consumer_bell, producer_bell;
static unsigned values[ITEMS];

static void wait_on(struct doorbell *bell, struct ring *on, uint32_t more_than)
{
    struct pollfd fd = {.fd = bell->fd, .events = POLLIN};

    doorbell_arm(bell);
    if (ring_count(on) <= more_than)
        assert_true(poll(&fd, 1, 20000) == 1); /* a lost wake-up would end here */
    doorbell_disarm(bell);
}

static void *consumer(void *argument)
{
    unsigned next = 0;

    (void)argument;
    while (next < ITEMS) {
        unsigned *item = ring_pop(&ring);
        if (!item) {
            wait_on(&consumer_bell, &ring, 0);
            continue;
        }
        assert_int_equal(*item, next++);
        *item += 1; /* a plain write that the producer reads when it comes back */
        while (!ring_push(&back, item))
            doorbell_ring(&producer_bell);
        doorbell_ring(&producer_bell);
    }
    return NULL;
}

static void hands_over_everything_in_order(void **state)
{
    pthread_t thread;
    unsigned sent = 0, returned = 0;

    (void)state;
    assert_true(ring_init(&ring, 64) && ring_init(&back, 64));
    assert_true(doorbell_init(&consumer_bell) && doorbell_init(&producer_bell));
    assert_int_equal(pthread_create(&thread, NULL, consumer, NULL), 0);
    while (returned < ITEMS) {
        unsigned *item;
        bool any = false;
        if (sent < ITEMS) {
            values[sent] = sent;
            if (ring_push(&ring, &values[sent])) {
                sent++;
                any = true;
                doorbell_ring(&consumer_bell);
            }
        }
        while ((item = ring_pop(&back)) != NULL) {
            assert_int_equal(*item, ++returned);
            any = true;
        }
        if (!any)
            wait_on(&producer_bell, &back, 0);
    }
    (void)pthread_join(thread, NULL);
    ring_fini(&ring);
    ring_fini(&back);
    doorbell_fini(&consumer_bell);
    doorbell_fini(&producer_bell);
}

static void full_ring_takes_nothing(void **state)
{
    int item = 0;

    (void)state;
    assert_true(ring_init(&ring, 4));
    for (int i = 0; i < 4; i++)
        assert_true(ring_push(&ring, &item));
    assert_false(ring_push(&ring, &item));
    assert_int_equal(ring_count(&ring), 4);
    assert_ptr_equal(ring_pop(&ring), &item);
    assert_true(ring_push(&ring, &item));
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_over_everything_in_order),
        cmocka_unit_test(full_ring_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
