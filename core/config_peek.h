/* SPDX-License-Identifier: Apache-2.0
 *
 * config_peek.h -- what a command that talks to a daemon has to know of its configuration: where it
 * answers, and the names of pipelines and sinks.  [main]
 *
 * Loads no plugin and reads no secret, so that whoever may use the socket can use the file: and it
 * takes a file that has faults elsewhere as it is.
 */
#ifndef LEAT_CONFIG_PEEK_H
#define LEAT_CONFIG_PEEK_H

#include "region.h"

#include <leat/plugin.h>
#include <stdio.h>

struct config_peek {
    struct region region;
    leat_strings listen; /* none for "none" */
    size_t pipeline_count;
    struct config_peek_pipeline {
        const char *name;
        leat_strings sinks;
    } * pipelines;
};

/* EX_OK; or the exit code, with what is wrong in `errors` (NULL: in silence): it cannot be read, or is no YAML. */
int config_peek(const char *path, struct config_peek *out, FILE *errors);
void config_peek_fini(struct config_peek *peek);

#endif
