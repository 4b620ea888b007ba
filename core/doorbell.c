/* SPDX-License-Identifier: Apache-2.0
 *
 * doorbell.c -- see doorbell.h.
 */
#include "doorbell.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool doorbell_init(struct doorbell *bell)
{
    atomic_init(&bell->asleep, 0);
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return bell->fd >= 0;
}

void doorbell_fini(struct doorbell *bell)
{
    if (bell->fd >= 0)
        (void)close(bell->fd);
    bell->fd = -1;
}

void doorbell_arm(struct doorbell *bell)
{
    /* acq_rel: either this reads what a ringer wrote, and then sees that ringer's work; or the
     * ringer's exchange comes later and reads this 1. */
    (void)atomic_exchange_explicit(&bell->asleep, 1, memory_order_acq_rel);
}

void doorbell_disarm(struct doorbell *bell)
{
    uint64_t count;

    atomic_store_explicit(&bell->asleep, 0, memory_order_relaxed);
    (void)!read(bell->fd, &count, sizeof count); /* EAGAIN: nobody rang */
}

void doorbell_ring(struct doorbell *bell)
{
    if (atomic_exchange_explicit(&bell->asleep, 0, memory_order_acq_rel))
        doorbell_force(bell);
}

void doorbell_force(struct doorbell *bell)
{
    uint64_t one = 1;

    (void)!write(bell->fd, &one, sizeof one); /* EAGAIN: the counter is full, so it is readable */
}
