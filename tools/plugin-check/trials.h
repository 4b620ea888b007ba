/* SPDX-License-Identifier: Apache-2.0
 *
 * trials.h -- everything that is tried, in order.
 */
#ifndef CHECK_TRIALS_H
#define CHECK_TRIALS_H

#include "trial.h"

extern const struct trial sink_trials[];
extern const size_t sink_trial_count;
extern const struct trial source_trials[];
extern const size_t source_trial_count;

/* [child, main] For either kind. */
void trial_descriptor(void);
void trial_half_made(void);

#endif
