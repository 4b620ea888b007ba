/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h -- the control thread: signals, state files, the pipelines' lives.  [main]
 *
 * It never touches a batch.  It waits for a signal, for a pipeline that ended, for a journal that
 * wants to be written, and for the next confirm interval.
 */
#ifndef LEAT_CONTROL_H
#define LEAT_CONTROL_H

#include "config.h"

/* Runs what the configuration says until a signal or a failure ends it, or what the same file says
 * later.  Takes the configuration over.  Returns the exit code; the reason has been written to
 * standard error. */
int control_run(struct config *config);

#endif
