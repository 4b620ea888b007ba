/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_waiting.c -- see tail_waiting.h.
 */
#include "tail_waiting.h"

#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define PATIENCE_MS 1000 /* then it is said what is waited for */
#define LOOK_MS 500      /* whether that has become another    */

/* NULL: there is none worth a word. */
static const char *reason(struct pipeline *pipeline, const struct tail_output *output, bool begun,
                          struct note_copy *detail)
{
    int state = atomic_load_explicit(&pipeline->source.counters.state, memory_order_relaxed);

    if (state == LEAT_STATE_FAILED)
        return NULL; /* which is said at the end */
    if (begun)
        return atomic_load_explicit(&output->came, memory_order_relaxed) == TAIL_OTHERS
                   ? "changes come, but none yet that --table and --op choose"
                   : "no change has come yet";
    if (state == LEAT_STATE_STREAMING)
        return NULL; /* the line that says so is about to come */
    note_read(&pipeline->source.state_detail, detail);
    return *detail->text ? detail->text : "the server has not answered yet";
}

void tail_waiting_look(struct tail_waiting *waiting, struct pipeline *pipeline,
                       const struct tail_output *output, bool begun, int64_t now_ns)
{
    struct note_copy detail;
    const char *why;

    if (atomic_load_explicit(&output->came, memory_order_relaxed) == TAIL_CHOSEN)
        waiting->over = true;
    if (waiting->over || now_ns - waiting->since_ns < PATIENCE_MS * MS)
        return;
    why = reason(pipeline, output, begun, &detail);
    if (!why || strcmp(why, waiting->said) == 0)
        return;
    (void)snprintf(waiting->said, sizeof waiting->said, "%s", why);
    (void)fprintf(stderr, "leat: waiting: %s\n", why);
}

int tail_waiting_ms(const struct tail_waiting *waiting, int64_t now_ns)
{
    int64_t left_ns = waiting->since_ns + PATIENCE_MS * MS - now_ns;

    if (waiting->over)
        return -1;
    return left_ns > 0 ? (int)(left_ns / MS) + 1 : LOOK_MS;
}
