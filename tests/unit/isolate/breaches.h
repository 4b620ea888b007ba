/* SPDX-License-Identifier: Apache-2.0
 *
 * breaches.h -- the ways in which a helper process may break the wire, or itself, and what the
 * daemon's side has to say of each.
 */
#ifndef LEAT_TESTS_ISOLATE_BREACHES_H
#define LEAT_TESTS_ISOLATE_BREACHES_H

#include "helper.h"

#include <stddef.h>

struct breach {
    const char *name;
    void (*act)(struct evil *); /* in the helper's process; it may return */
    leat_status status;         /* of start, or of poll */
    const char *error;          /* in its text */
    const char *log;            /* in the log; NULL: nothing is asked for */
};

extern const struct breach breaches[];
extern const size_t breach_count;

#endif
