/* SPDX-License-Identifier: Apache-2.0
 *
 * failure.h -- why a pipeline did not begin, or has ended, and which part of it that concerns.  [any]
 *
 * The part is named once, by whoever shows the failure: `leat check` calls it p/bus, and so do the
 * last line of `leat run` and the answer of a reload; a line of the log has it in its fields.  So an
 * error's text never names its own pipeline or sink.
 */
#ifndef LEAT_FAILURE_H
#define LEAT_FAILURE_H

#include <leat/plugin.h>

#include <stdio.h>

#define PLACE_MAX 160 /* of any two names of a configuration */
#define FAILURE_LINE_MAX (PLACE_MAX + 2 + LEAT_ERROR_TEXT)

struct failure {
    char pipeline[64];
    char part[64]; /* "source", "state" or a sink's name; "": the whole pipeline */
    leat_error error;
};

#define FAILURE_NONE ((struct failure){.error = {.size = sizeof(leat_error)}})

/* "p/bus"; without the stroke where one of the two is empty. */
static inline const char *place_print(char out[PLACE_MAX], const char *pipeline, const char *part)
{
    (void)snprintf(out, PLACE_MAX, "%s%s%s", pipeline, *pipeline && *part ? "/" : "", part);
    return out;
}

/* "p/bus: why" */
static inline const char *failure_print(char out[FAILURE_LINE_MAX], const struct failure *failure)
{
    char place[PLACE_MAX];

    (void)snprintf(out, FAILURE_LINE_MAX, "%s: %s",
                   place_print(place, failure->pipeline, failure->part), failure->error.text);
    return out;
}

static inline void failure_blame(struct failure *failure, const char *pipeline, const char *part)
{
    (void)snprintf(failure->pipeline, sizeof failure->pipeline, "%s", pipeline);
    (void)snprintf(failure->part, sizeof failure->part, "%s", part);
}

static inline void failure_no_memory(struct failure *failure, const char *pipeline,
                                     const char *part)
{
    (void)snprintf(failure->error.text, sizeof failure->error.text, "no memory");
    failure_blame(failure, pipeline, part);
}

#endif
