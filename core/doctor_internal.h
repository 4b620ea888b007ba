/* SPDX-License-Identifier: Apache-2.0
 *
 * doctor_internal.h -- what doctor.c (the daemon) and doctor_pipeline.c (its pipelines) share.
 * [main]
 */
#ifndef LEAT_DOCTOR_INTERNAL_H
#define LEAT_DOCTOR_INTERNAL_H

#include "doctor.h"

struct patient {
    struct findings *findings;
    const struct admin_client *client;
    const struct config *config; /* or NULL */
    const char *reach;           /* "-c FILE" or "--socket PATH": how commands find the daemon */
    const char *pipeline, *instance; /* of the next finding */
};

/* doctor.c */
/* Adds a finding of the patient's pipeline and instance; fix: borrowed, NULL where there is none. */
void doctor__find(struct patient *patient, int32_t severity, int exit_code, const char *fix,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* True when the member is there and is this text. */
bool doctor__is(const struct tree_node *mapping, const char *dotted, const char *text);

/* doctor_pipeline.c */
void doctor__look_at_pipeline(struct patient *patient, const struct tree_node *pipeline);

#endif
