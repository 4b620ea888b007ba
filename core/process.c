/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c -- see process.h.  Where the kernel refuses, the process runs where the thread does.
 */
#include "process.h"

#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

int process_begin(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                  const posix_spawnattr_t *attributes, char *const words[], char *const variables[])
{
    cpu_set_t own, all;
    bool kept = sched_getaffinity(0, sizeof own, &own) == 0 &&
                sched_getaffinity(getpid(), sizeof all, &all) == 0 && !CPU_EQUAL(&own, &all) &&
                sched_setaffinity(0, sizeof all, &all) == 0;
    int wrong = posix_spawn(pid, path, files, attributes, words, variables);

    if (kept)
        (void)sched_setaffinity(0, sizeof own, &own);
    return wrong;
}
