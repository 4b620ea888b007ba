/* SPDX-License-Identifier: Apache-2.0
 *
 * tail_request.h -- what the command line of leat tail asks for.  [main]
 */
#ifndef LEAT_TAIL_REQUEST_H
#define LEAT_TAIL_REQUEST_H

#include "tail_output.h"

struct tail_request {
    const char *config, *pipeline, *route;
    int format; /* enum encode_format; -1: not said */
    uint32_t watch;
    struct tail_filter filter;
};

/* 0: go on; else the exit code plus 1, and why stands on stderr.  The filter's tables are owned by
 * the caller, either way. */
int tail_request_parse(int argc, char **argv, struct tail_request *out);

#endif
