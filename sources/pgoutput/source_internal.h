/* SPDX-License-Identifier: Apache-2.0
 *
 * source_internal.h -- what the files of a source's life share: source.c (the operations),
 * source_ask.c (CONNECTING, ASKING), source_judge.c (what the answers mean, STANDBY),
 * source_stream.c (STREAMING, RELEASED), source_lose.c (back to WAITING, or FAILED).  [worker]
 */
#ifndef LEAT_PGOUTPUT_SOURCE_INTERNAL_H
#define LEAT_PGOUTPUT_SOURCE_INTERNAL_H

#include "source.h"

#define MS INT64_C(1000000) /* in nanoseconds */
#define STANDBY_MS 500      /* between two looks at a slot that somebody else has */

static inline int64_t source_now(const leat_source *source)
{
    return source->host->now_ns(source->host);
}

static inline void source_say(const leat_source *source, int32_t level, const char *message,
                              const leat_field *fields, size_t count)
{
    source->host->log(source->host, level, message, fields, count);
}

static inline void source_report(const leat_source *source, int32_t state, const char *detail)
{
    if (source->reporting)
        source->reporting->state(source->host, state, detail);
}

/* The steps, one a state.  OK: poll again; else the pipeline ends for the reason in *error. */
leat_status source_connect(leat_source *source, leat_error *error);
leat_status source_step_connecting(leat_source *source, int32_t max_wait_ms);
leat_status source_step_asking(leat_source *source, int32_t max_wait_ms, leat_error *error);
leat_status source_step_standby(leat_source *source, int32_t max_wait_ms);
leat_status source_step_streaming(leat_source *source, int32_t max_wait_ms, leat_error *error);
leat_status source_step_released(leat_source *source, int32_t max_wait_ms, leat_error *error);

/* To ASKING, with this question.  A query that cannot be sent loses the connection. */
leat_status source_ask(leat_source *source, enum question question);

/* The slot's row is there: what it means for us, and what to ask next. */
leat_status source_weigh(leat_source *source, leat_error *error);

/* The same, when nothing more has to be asked for it. */
leat_status source_judge(leat_source *source, leat_error *error);

/* To STREAMING: the server has answered START_REPLICATION. */
void source_begin_streaming(leat_source *source);

void source_close(leat_source *source);

/* To FAILED, for good; returns error->status. */
leat_status source_fail(leat_source *source, leat_error *error);

/* To WAITING, with back-off, which is said; a watcher fails.  advice: what to do, or NULL. */
void source_lose(leat_source *source, const char *message, const char *why, const char *advice);
/* The same, for the reason that libpq has. */
void source_lose_connecting(leat_source *source);

/* Half of the delay, and up to another half. */
int64_t source_jitter(leat_source *source, int64_t delay_ms);

#endif
