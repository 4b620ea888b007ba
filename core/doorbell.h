/* SPDX-License-Identifier: Apache-2.0
 *
 * doorbell.h -- wakes one thread that sleeps, and costs nothing while it does not.
 *
 * The sleeper: doorbell_arm, look once more for work, poll(fd), doorbell_disarm.  A ringer makes
 * its work visible, then calls doorbell_ring.  A wake-up costs 4 to 6 us, so it is made only for a
 * sleeper: once a batch, and when a worker has nothing left to encode.
 *
 * A pipe and not an eventfd: to the scheduler a write into a pipe says that its writer is about to
 * sleep, so on a machine of few cores the sleeper wakes on the ringer's core rather than on one
 * that somebody else keeps busy (docs/adr/0205).
 */
#ifndef LEAT_DOORBELL_H
#define LEAT_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>

struct doorbell {
    int fd;      /* readable when rung */
    int ring_fd; /* the pipe's other end */
    /* Both sides exchange it (acq_rel), so the two exchanges are ordered: the sleeper's 1, then
     * its look for work; the ringer's work, then its 0.  Either the sleeper sees the work or the
     * ringer sees the 1. */
    atomic_int asleep;
};

bool doorbell_init(struct doorbell *bell); /* [main] false with errno set */
void doorbell_fini(struct doorbell *bell);
void doorbell_arm(struct doorbell *bell);    /* [sleeper] */
void doorbell_disarm(struct doorbell *bell); /* [sleeper] also empties the pipe */
void doorbell_ring(struct doorbell *bell);   /* [any] */
void doorbell_force(struct doorbell *bell);  /* [any] readable whether or not somebody sleeps */

#endif
