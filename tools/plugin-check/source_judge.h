/* SPDX-License-Identifier: Apache-2.0
 *
 * source_judge.h -- whether what a source published is what the value model says.  [the data
 * threads]
 */
#ifndef CHECK_SOURCE_JUDGE_H
#define CHECK_SOURCE_JUDGE_H

#include "source_host.h"

/* A batch as it is published; its changes go into host->seen. */
void judge_batch(struct source_host *host, struct out *out, const leat_writer *writer);

/* When it is given back: its relation must still say the same. */
void judge_relation_again(const struct out *out);

#endif
