/* SPDX-License-Identifier: Apache-2.0
 *
 * process.h -- posix_spawn for a process that is not to inherit on which cores the calling thread is
 * kept at present: a source may keep the daemon's threads together (its option leave_core), and
 * leaves out the main thread, whose cores the new process gets.  [any]
 */
#ifndef LEAT_PROCESS_H
#define LEAT_PROCESS_H

#include <spawn.h>

/* As posix_spawn. */
int process_begin(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                  const posix_spawnattr_t *attributes, char *const words[],
                  char *const variables[]);

#endif
