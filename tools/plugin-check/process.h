/* SPDX-License-Identifier: Apache-2.0
 *
 * process.h -- what of the process a plugin must leave as it is, and what it must give back.
 * [child]
 */
#ifndef CHECK_PROCESS_H
#define CHECK_PROCESS_H

#include "check.h"

/* Sends standard output and error to a file in the folder, and remembers how the process stands. */
void process_silence(const char *folder);

/* Remembers it anew: after something of our own. */
void process_remember(void);

/* A finding for each thing that is not as remembered. */
void process_compare(const char *call);

/* A finding when something was written to standard output or error; once a trial. */
void process_output(void);

struct resources {
    uint32_t fds, threads;
    int64_t blocks; /* of malloc; -1 where they cannot be counted */
};

/* Counts; waits a moment for threads that are ending until there are at most `threads`. */
struct resources process_resources(uint32_t threads);

/* The descriptors that are open now, as a set: what opens behind them belongs to the plugin. */
void process_mark_fds(bool marks[1024]);

/* A client's server goes away: every socket that is not in `marks` is shut down.  Returns how many.
 */
int process_cut_sockets(const bool marks[1024]);

#endif
