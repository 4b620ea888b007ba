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
    /* seq_cst: this store must be visible before the look for work that follows it. */
    atomic_store(&bell->asleep, 1);
    atomic_thread_fence(memory_order_seq_cst);
}

void doorbell_disarm(struct doorbell *bell)
{
    uint64_t count;

    atomic_store_explicit(&bell->asleep, 0, memory_order_relaxed);
    (void)!read(bell->fd, &count, sizeof count); /* EAGAIN: nobody rang */
}

void doorbell_ring(struct doorbell *bell)
{
    /* seq_cst: the work must be visible before this look at the sleeper. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&bell->asleep) && atomic_exchange(&bell->asleep, 0))
        doorbell_force(bell);
}

void doorbell_force(struct doorbell *bell)
{
    uint64_t one = 1;

    (void)!write(bell->fd, &one, sizeof one); /* EAGAIN: the counter is full, so it is readable */
}
