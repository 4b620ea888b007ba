/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.h -- what is judged alike of a sink's and of a source's calls.  [child]
 */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include "check.h"

/* So much longer than it was allowed to a call may take on a busy machine. */
int64_t judge_slack_ms(void);

/* A text that the plugin gave: one line, and nothing of a row. */
void judge_text(const char *where, const char *text);

/* What a call returned, and what it says of it. */
void judge_error(const char *call, leat_status status, const leat_error *error);

/* What create returned and made.  Comes back only where there is an instance to go on with. */
void judge_create(leat_status status, const void *instance, const leat_error *error,
                  int64_t took_ms);

#endif
