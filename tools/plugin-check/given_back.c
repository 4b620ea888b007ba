/* SPDX-License-Identifier: Apache-2.0
 *
 * given_back.c -- see given_back.h.
 */
#include "given_back.h"

#include "check.h"
#include "process.h"

/* What is made once and kept (a library's tables) is there after the first lives. */
enum { WARM = 3, LIVES = 9 };

void given_back_watch(void (*life)(void))
{
    struct resources first = process_resources(UINT32_MAX), settled = first, now = first;
    for (int count = 1; count <= LIVES; count++) {
        life();
        now = process_resources(first.threads);
        if (count == WARM)
            settled = now;
        if (now.threads > first.threads)
            finding(C_THREADS, "%u threads are left after a whole life",
                    now.threads - first.threads);
    }
    if (now.fds > settled.fds)
        finding(C_DESCRIPTORS, "%u file descriptors more are open after %d times a whole life",
                now.fds - settled.fds, LIVES - WARM);
    if (now.blocks - settled.blocks >= LIVES - WARM)
        finding(C_MEMORY, "%lld blocks of memory more are allocated after %d times a whole life",
                (long long)(now.blocks - settled.blocks), LIVES - WARM);
}
