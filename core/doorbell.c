/* SPDX-License-Identifier: Apache-2.0
 *
 * doorbell.c -- see doorbell.h.
 */
#include "doorbell.h"

#include <fcntl.h>
#include <unistd.h>

bool doorbell_init(struct doorbell *bell)
{
    int ends[2];

    atomic_init(&bell->asleep, 0);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        bell->fd = bell->ring_fd = -1;
        return false;
    }
    bell->fd = ends[0];
    bell->ring_fd = ends[1];
    return true;
}

void doorbell_fini(struct doorbell *bell)
{
    if (bell->fd < 0)
        return;
    (void)close(bell->fd);
    (void)close(bell->ring_fd);
    bell->fd = bell->ring_fd = -1;
}

void doorbell_arm(struct doorbell *bell)
{
    /* acq_rel: either this reads what a ringer wrote, and then sees that ringer's work; or the
     * ringer's exchange comes later and reads this 1. */
    (void)atomic_exchange_explicit(&bell->asleep, 1, memory_order_acq_rel);
}

void doorbell_disarm(struct doorbell *bell)
{
    char rings[64];

    atomic_store_explicit(&bell->asleep, 0, memory_order_relaxed);
    /* EAGAIN: nobody rang.  What more than so many left behind wakes the sleeper once in vain. */
    (void)!read(bell->fd, rings, sizeof rings);
}

void doorbell_ring(struct doorbell *bell)
{
    if (atomic_exchange_explicit(&bell->asleep, 0, memory_order_acq_rel))
        doorbell_force(bell);
}

void doorbell_force(struct doorbell *bell)
{
    (void)!write(bell->ring_fd, "", 1); /* EAGAIN: the pipe is full, so it is readable */
}
