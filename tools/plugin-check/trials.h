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

/* For either kind. */
void trial_half_made(void);
void check_given_back(int cycle,
                      const char *what); /* after a whole life: cycles from 0; ends are findings */

#endif
