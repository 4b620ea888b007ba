/* SPDX-License-Identifier: Apache-2.0
 *
 * stage.h -- named stages at which a debug build dies on request.  [any]
 *
 * LEAT_DIE_AT=NAME[:N] in the environment of a debug build kills the process (SIGKILL) the N-th
 * time it passes the stage NAME.  In other builds a stage costs nothing.  Every command passes the
 * stage "begun" first: `LEAT_DIE_AT=begun leat --version` is killed where there are stages.
 */
#ifndef LEAT_STAGE_H
#define LEAT_STAGE_H

#ifdef LEAT_DEBUG
void stage_pass(const char *name);
void stage_init(void); /* [main] reads the environment */
#else
#define stage_pass(name) ((void)0)
#define stage_init() ((void)0)
#endif

#endif
