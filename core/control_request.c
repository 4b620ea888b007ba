/* SPDX-License-Identifier: Apache-2.0
 *
 * control_request.c -- see control_request.h.
 */
#include "control_request.h"

#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define REACH "The daemon is the one of FILE, of the unix socket PATH, or on /run/leat/leat.sock.\n"

static const struct control_verb verbs[] = {
    {"pause", OF_PIPELINES | OF_SINKS,
     "Usage: leat pause [-c FILE | --socket PATH] [--pipeline NAME] [--sink NAME] [--json]\n"
     "Holds a pipeline, every pipeline, or one sink of it until leat resume; what waits stays in\n"
     "PostgreSQL.\n" REACH},
    {"resume", OF_PIPELINES | OF_SINKS | CAN_GAP,
     "Usage: leat resume [-c FILE | --socket PATH] [--pipeline NAME] [--sink NAME] [--accept-gap]\n"
     "                   [--json]\n"
     "Goes on after leat pause.  A sink that was dropped comes back only where it misses nothing, "
     "or\n"
     "with --accept-gap.\n" REACH},
    {"drain", OF_PIPELINES | CAN_WAIT,
     "Usage: leat drain [-c FILE | --socket PATH] [--pipeline NAME] [--wait] [--json]\n"
     "Takes nothing new into a pipeline, or every pipeline, and delivers and confirms what it "
     "has;\n"
     "leat resume goes on.  --wait comes back when that is done.\n" REACH},
    {"drop", OF_PIPELINES | OF_SINKS | MUST_SINK,
     "Usage: leat drop --sink NAME [-c FILE | --socket PATH] [--pipeline NAME] [--json]\n"
     "Leaves a sink out, so that it holds the confirmation back no more.  Its position is kept; "
     "leat\n"
     "resume brings it back.\n" REACH},
    {"reload", CAN_DROP,
     "Usage: leat reload [-c FILE | --socket PATH] [--drop-removed] [--json]\n"
     "The daemon reads its configuration anew, and restarts what changed.  A wrong one changes\n"
     "nothing.  What is gone from it finishes what it has, or with --drop-removed is not waited "
     "for.\n" REACH},
    {"loglevel", TAKES_WORD,
     "Usage: leat loglevel [error|warn|info|debug] [--component NAME] [-c FILE | --socket PATH]\n"
     "                     [--json]\n"
     "Sets the log level until the next start, or says what it is.  A component (core, source, a\n"
     "sink's name, PIPELINE/source, PIPELINE/SINK) goes by its own, until level default.\n" REACH},
    {"stop", CAN_WAIT,
     "Usage: leat stop [-c FILE | --socket PATH] [--wait] [--json]\n"
     "Finishes what is in flight and ends the daemon, as SIGTERM does.  --wait comes back when it "
     "has\n"
     "ended.\n" REACH},
};

int control_request_refuse(const struct control_request *request, const char *what,
                           const char *text)
{
    return usage_wrong(request->verb->usage, request->verb->name, "%s%s%s", what, text ? " " : "",
                       text ? text : "") +
           1;
}

bool control_request_is_name(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return length >= 1 && length <= 63 && !name[length];
}

/* 0: go on; else the exit code plus 1. */
static int check_words(const struct control_request *request, unsigned given)
{
    unsigned takes = request->verb->takes;

    if (given & OF_PIPELINES && !(takes & OF_PIPELINES))
        return control_request_refuse(request, "it is for the whole daemon, not for a pipeline",
                                      NULL);
    if (given & OF_SINKS && !(takes & OF_SINKS))
        return control_request_refuse(request, "it is not for a sink", NULL);
    if (takes & MUST_SINK && !request->sink)
        return control_request_refuse(request, "--sink NAME is missing", NULL);
    if (request->wait && !(takes & CAN_WAIT))
        return control_request_refuse(request, "there is nothing to --wait for", NULL);
    if (request->accept_gap && (!(takes & CAN_GAP) || !request->sink))
        return control_request_refuse(request, "--accept-gap is for leat resume --sink NAME", NULL);
    if (request->drop_removed && !(takes & CAN_DROP))
        return control_request_refuse(request, "--drop-removed is for leat reload", NULL);
    if (request->component && (!(takes & TAKES_WORD) || !request->word))
        return control_request_refuse(request, "--component is for leat loglevel LEVEL", NULL);
    if (request->component &&
        (!*request->component ||
         request->component[strspn(request->component, "abcdefghijklmnopqrstuvwxyz0123456789_-/")]))
        return control_request_refuse(request, "no name of a component:", request->component);
    if (request->pipeline && !control_request_is_name(request->pipeline))
        return control_request_refuse(request, "no name of a pipeline:", request->pipeline);
    if (request->sink && !control_request_is_name(request->sink))
        return control_request_refuse(request, "no name of a sink:", request->sink);
    if (request->config && request->socket)
        return control_request_refuse(request, "either -c or --socket", NULL);
    return 0;
}

int control_request_parse(int argc, char **argv, struct control_request *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"socket", required_argument, NULL, 's'},
                                            {"pipeline", required_argument, NULL, 'p'},
                                            {"sink", required_argument, NULL, 'i'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"wait", no_argument, NULL, 'w'},
                                            {"accept-gap", no_argument, NULL, 'g'},
                                            {"drop-removed", no_argument, NULL, 'd'},
                                            {"component", required_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    unsigned given = 0;
    int option;

    out->verb = verbs;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, argv[0]) == 0)
            out->verb = &verbs[i];
    optind = 0;
    while ((option = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(out->verb->usage, stdout);
            return EX_OK + 1;
        }
        if (option == '?' || option == ':')
            return usage_option(out->verb->usage, argv, options, option) + 1;
        given |= option == 'p' ? (unsigned)OF_PIPELINES : option == 'i' ? (unsigned)OF_SINKS : 0u;
        out->config = option == 'c' ? optarg : out->config;
        out->socket = option == 's' ? optarg : out->socket;
        out->pipeline = option == 'p' ? optarg : out->pipeline;
        out->sink = option == 'i' ? optarg : out->sink;
        out->component = option == 'k' ? optarg : out->component;
        out->json = out->json || option == 'j';
        out->wait = out->wait || option == 'w';
        out->accept_gap = out->accept_gap || option == 'g';
        out->drop_removed = out->drop_removed || option == 'd';
    }
    if (optind < argc && out->verb->takes & TAKES_WORD)
        out->word = argv[optind++];
    if (optind < argc)
        return control_request_refuse(out, "unexpected", argv[optind]);
    return check_words(out, given);
}
