/* SPDX-License-Identifier: Apache-2.0
 *
 * finding.h -- what `leat check` and `leat doctor` found, and how they show it.  [main]
 */
#ifndef LEAT_FINDING_H
#define LEAT_FINDING_H

#include "config.h"
#include "region.h"

#include <stdint.h>

struct finding {
    int32_t severity;                /* LEAT_FINDING_... */
    int32_t exit_code;               /* of an error: what the command ends with; 0: 78 */
    const char *pipeline, *instance; /* "" where it concerns none */
    const char *text;                /* what, on what: one line */
    const char *fix;                 /* the commands or SQL that mend it, or NULL */
};

const char *finding_severity(const struct finding *finding); /* "ok", "note", "warning", "error" */
void finding_print(const struct finding *finding);           /* on standard output */
void finding_print_json(const struct finding *finding);

/* The last line on the standard error: which command found how many errors, and the one that it
 * ends for. */
void finding_print_why(const char *command, size_t errors, const struct finding *finding);

/* Findings in the order of their arrival.  Texts are copied. */
struct findings {
    struct region region;
    struct finding_node {
        struct finding finding;
        struct finding_node *next;
    } * first, **end;
    size_t counts[LEAT_FINDING_ERROR + 1]; /* by severity */
};

void findings_init(struct findings *findings);
void findings_fini(struct findings *findings);
void findings_add(struct findings *findings, const struct finding *finding);

/* The findings of one severity after another, the worst first.  Starts with *at NULL; NULL: the
 * end. */
const struct finding *findings_worst(const struct findings *findings, int32_t severity,
                                     const struct finding_node **at);

/* check.c: everything that a configuration names, at most 10 s; changes nothing.  pipeline: only
 * that one, or NULL.  offline: only what can be said without looking at any of it, which is whether
 * the plugins take their options. */
void check_everything(const struct config *config, const char *pipeline, bool offline,
                      void (*report)(void *context, const struct finding *finding), void *context);

#endif
