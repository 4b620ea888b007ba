/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_internal.h -- what pipeline.c (the whole), pipeline_source.c and pipeline_sink.c (its
 * threads) share.
 */
#ifndef LEAT_PIPELINE_INTERNAL_H
#define LEAT_PIPELINE_INTERNAL_H

#include "pipeline.h"

/* ---- pipeline.c ----------------------------------------------------------------------------- */

/* [any] A warning or an error becomes the note's newest; what says less is none. */
void pipeline__remember(struct note *note, int32_t level, const char *message,
                        const leat_field *fields, size_t field_count);

/* [source, worker] Why the pipeline ends: the first one counts. */
void pipeline__end_with(struct pipeline *pipeline, const char *part, const leat_error *error,
                        bool regressed);

/* [source, worker] Until the deadline to stop; at most an hour. */
uint32_t pipeline__ms_left(struct pipeline *pipeline);

/* [main] False with errno. */
bool pipeline__start_thread(pthread_t *thread, void *(*entry)(void *), void *argument);

/* [main] What a plugin's create has returned; false: *error says it in any case. */
bool pipeline__is_made(leat_status status, leat_error *error);

void pipeline__join_source(struct pipeline *pipeline); /* [main] waits; again: nothing more */

/* ---- pipeline_source.c ---------------------------------------------------------------------- */

/* [main] Sets aside `share` bytes, a part of the memory in `factor`, and makes the plugin's instance. */
bool pipeline__create_source(struct pipeline *pipeline, const struct pipeline_setup *setup,
                             size_t share, size_t factor, struct failure *failure);
bool pipeline__start_source(struct pipeline *pipeline); /* [main] false with errno */

/* [main, source] Nothing more will come for them. */
void pipeline__let_workers_stop(struct pipeline *pipeline);

#endif
