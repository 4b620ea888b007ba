/* SPDX-License-Identifier: Apache-2.0
 *
 * control_request.h -- what the command line of a command to a running daemon asks for: leat pause,
 * resume, drain, drop, reload, loglevel, stop.  [main]
 */
#ifndef LEAT_CONTROL_REQUEST_H
#define LEAT_CONTROL_REQUEST_H

#include "admin_client.h"

/* What a verb takes. */
enum {
    OF_PIPELINES = 1,
    OF_SINKS = 2,
    MUST_SINK = 4,
    CAN_WAIT = 8,
    CAN_GAP = 16,
    TAKES_WORD = 32,
    CAN_DROP = 64
};

struct control_verb {
    const char *name;
    unsigned takes;
    const char *usage;
};

struct control_request {
    const struct control_verb *verb;
    const char *config, *socket, *pipeline, *sink, *component, *word;
    bool json, wait, accept_gap, drop_removed;
    /* Of the answers, in cmd_control.c: */
    struct admin_client client;
    struct region region;
    bool any; /* an answer has been printed */
};

/* argv[0] is the name of a verb; *out is all zero before.  0: go on; else the exit code plus 1, and
 * why stands on stderr. */
int control_request_parse(int argc, char **argv, struct control_request *out);

/* Says what is wrong with the command line, behind the usage; returns its exit code plus 1. */
int control_request_refuse(const struct control_request *request, const char *what,
                           const char *text);

/* True for what can name a pipeline or a sink, and so be a part of a path. */
bool control_request_is_name(const char *name);

#endif
