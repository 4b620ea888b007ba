/* SPDX-License-Identifier: Apache-2.0
 *
 * entry.h -- what a fake plugin does where it is first entered: in its create, or its check.
 */
#ifndef LEAT_FAKES_ENTRY_H
#define LEAT_FAKES_ENTRY_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { ENTRY_OK, ENTRY_NO, ENTRY_ABORT, ENTRY_EXIT, ENTRY_HANG };
static const char *const entries[] = {"ok", "no", "abort", "exit", "hang", NULL};

/* Comes back for OK, and for NO, which the caller says. */
static inline void enter(int64_t how)
{
    if (how == ENTRY_ABORT)
        abort();
    if (how == ENTRY_EXIT)
        _exit(3);
    while (how == ENTRY_HANG)
        (void)pause();
}

#endif
