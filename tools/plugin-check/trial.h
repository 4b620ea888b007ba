/* SPDX-License-Identifier: Apache-2.0
 *
 * trial.h -- one trial in a process of its own.  [the parent]
 */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include "check.h"

/* What a trial is: `run` is called in the child. */
struct trial {
    const char *name;
    uint32_t kind; /* LEAT_KIND_..., 0: both */
    void (*run)(void);
    const char *what;  /* one line for people */
    enum clause crash; /* what a crash means here; 0: C_ENDING */
    bool again;        /* in the folder of the trial before it */
};

/* Runs it; findings are in the page.  folder: made for the trial, empty at first. */
void trial_run(const struct trial *trial, const char *folder);

/* [child] Marks the beginning and end of a call into the plugin.  limit_ms: after that the parent
 * kills the child and reports C_WAITING.  call_end returns how long it took, in milliseconds without
 * the time in which its thread wanted to run and was not let, and compares the state of the process
 * with what it was. */
void call_begin(const char *name, int64_t limit_ms);
int64_t call_end(void);

/* [child] Makes a call in one of two threads, in turns: a data thread need not be the same one. */
leat_status relay(leat_status (*function)(void *), void *argument, const char *name,
                  int64_t limit_ms);
void relay_start(void);
bool relay_is_inside(void); /* [any] the calling thread is the one that is inside a relayed call */

#endif
