/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_control.c -- the commands to a running daemon: pause, resume, drain, drop, reload, loglevel,
 * stop.  [main]  Each is one POST a pipeline or sink, through the unix socket; what may be asked
 * for is in control_request.c.
 */
#include "commands.h"

#include "control_request.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#define PAUSE_MS 200 /* between two looks at what is waited for */

/* ---- one POST ------------------------------------------------------------------------------- */

/* Of an answer that is no success. */
static int exit_code_of_answer(const struct control_request *request, int code)
{
    if (strcmp(request->verb->name, "reload") == 0 && (code == 400 || code == 422))
        return EX_CONFIG;
    switch (code) {
    case 400:
    case 404:
        return EX_USAGE;
    case 403:
    case 405:
        return EX_NOPERM;
    case 409: /* it would lose something, or is in no state for that */
        return request->sink ? EX_DATAERR : EX_UNAVAILABLE;
    default:
        return code >= 500 && code != 503 ? EX_SOFTWARE : EX_UNAVAILABLE;
    }
}

static void print_plain(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        (void)fputc(*c < 0x20 && *c != '\n' ? '?' : *c, out);
}

static const char *word_for(const struct control_request *request)
{
    return strcmp(request->verb->name, "stop") == 0 ? "stopping" : request->verb->name;
}

/* What was done, in a line; `of`: the pipeline, or "". */
static void say_done(struct control_request *request, const char *of,
                     const struct tree_node *answer)
{
    const char *message = admin_client_text(answer, "message");
    const char *state = admin_client_text(answer, "state");
    const char *level = admin_client_text(answer, "level");

    if (!*message)
        message = *state ? state : *level ? level : word_for(request);
    const char *note = admin_client_text(answer, "note");
    (void)printf("%s%s%s%s", of, *of && request->sink ? "/" : "",
                 *of && request->sink ? request->sink : "", *of ? ": " : "");
    print_plain(stdout, message);
    (void)printf("%s", *note ? "; " : "");
    print_plain(stdout, note);
    (void)printf("\n");
}

static void say_refused(const struct control_request *request, const char *of,
                        const struct tree_node *answer, const char *body, int code)
{
    const char *error = admin_client_text(answer, "error");
    char text[2048];

    (void)snprintf(text, sizeof text, "%s", *error ? error : body ? body : "");
    for (size_t length = strlen(text); length > 0 && text[length - 1] == '\n';)
        text[--length] = '\0';
    (void)fflush(stdout);
    (void)fprintf(stderr, "leat: %s%s%s%s%s: ", request->verb->name, *of ? " " : "", of,
                  request->sink ? "/" : "", request->sink ? request->sink : "");
    print_plain(stderr, *text ? text : "refused");
    (void)fprintf(stderr, "%s\n", code == 404 && !*error ? " (an older daemon?)" : "");
    if (code == 409 && request->verb->takes & CAN_GAP && request->sink && !request->accept_gap &&
        strstr(text, "gap"))
        (void)fprintf(stderr,
                      "leat: to go on without those records: leat resume --pipeline %s --sink %s "
                      "--accept-gap\n",
                      of, request->sink);
}

static void print_json(struct control_request *request, const struct text_buffer *body, int code)
{
    size_t length = body->text ? body->length : 0;

    while (length > 0 && body->text[length - 1] == '\n')
        length--;
    (void)printf("%s", request->any ? ",\n " : "[");
    if (length > 0 && body->text[0] == '{')
        (void)fwrite(body->text, 1, length, stdout);
    else
        (void)printf("{\"ok\":%s}", code / 100 == 2 ? "true" : "false");
    request->any = true;
}

/* of: the pipeline's name, "" for the daemon. */
static int post(struct control_request *request, const char *of, const char *path)
{
    struct text_buffer body = {0};
    const char *why = "";
    int code = admin_client_ask(&request->client, "POST", path, &body, &why);
    const struct tree_node *answer =
        body.text && body.text[0] == '{'
            ? admin_client_parse(body.text, body.length, &request->region)
            : NULL;
    int exit_code = EX_OK;

    if (code == 0) {
        exit_code = admin_client_silent(&request->client, why);
    } else {
        if (request->json)
            print_json(request, &body, code);
        if (code / 100 != 2) {
            exit_code = exit_code_of_answer(request, code);
            say_refused(request, of, answer, body.text, code);
        } else if (!request->json) {
            say_done(request, of, answer);
        }
    }
    free(body.text);
    return exit_code;
}

/* ---- pipelines and sinks -------------------------------------------------------------------- */

static bool has_sink(const struct tree_node *pipeline, const char *sink)
{
    const struct tree_node *sinks = tree_find(pipeline, "sinks");

    for (const struct tree_node *at = sinks ? sinks->first : NULL; at; at = at->next)
        if (strcmp(admin_client_text(at, "name"), sink) == 0)
            return true;
    return false;
}

static bool is_meant(const struct control_request *request, const struct tree_node *pipeline)
{
    return (!request->pipeline ||
            strcmp(admin_client_text(pipeline, "name"), request->pipeline) == 0) &&
           (!request->sink || has_sink(pipeline, request->sink));
}

/* Says what there is instead. */
static int nothing_is_meant(const struct control_request *request,
                            const struct tree_node *pipelines, bool several)
{
    if (several)
        (void)fprintf(stderr, "leat: several pipelines have a sink \"%s\": choose with --pipeline:",
                      request->sink);
    else
        (void)fprintf(stderr, "leat: the daemon has no %s \"%s\"%s%s; it has:",
                      request->sink ? "sink" : "pipeline",
                      request->sink ? request->sink : request->pipeline,
                      request->sink && request->pipeline ? " in pipeline " : "",
                      request->sink && request->pipeline ? request->pipeline : "");
    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next) {
        const struct tree_node *sinks = tree_find(at, "sinks");
        (void)fprintf(stderr, " %s", admin_client_text(at, "name"));
        for (const struct tree_node *sink = request->sink && sinks ? sinks->first : NULL; sink;
             sink = sink->next)
            (void)fprintf(stderr, "%s%s", sink == sinks->first ? "/" : ",",
                          admin_client_text(sink, "name"));
    }
    (void)fprintf(stderr, "\n");
    return EX_USAGE;
}

static int for_each(struct control_request *request, const struct tree_node *pipelines)
{
    size_t count = 0;
    int exit_code = EX_OK;

    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next)
        count += is_meant(request, at);
    if (count == 0 || (request->sink && count > 1))
        return nothing_is_meant(request, pipelines, count > 1);
    for (const struct tree_node *at = pipelines->first; at; at = at->next) {
        const char *name = admin_client_text(at, "name");
        char path[256];
        int end;
        if (!is_meant(request, at) || !control_request_is_name(name))
            continue;
        (void)snprintf(path, sizeof path, "/pipelines/%s%s%s/%s%s", name,
                       request->sink ? "/sinks/" : "", request->sink ? request->sink : "",
                       request->verb->name, request->accept_gap ? "?accept_gap=true" : "");
        end = post(request, name, path);
        if (exit_code == EX_OK)
            exit_code = end;
    }
    return exit_code;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* The process ends: an event, where the kernel and the rights allow to wait for it. */
static void wait_for_process(const char *pid_text)
{
    long pid = strtol(pid_text, NULL, 10);
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    (void)poll(&poller, 1, -1);
    (void)close(fd);
}

/* True when no pipeline that was meant has anything left to deliver. */
static bool is_drained(const struct control_request *request)
{
    struct region region = {0};
    int exit_code;
    const struct tree_node *status =
        admin_client_status(&request->client, &region, NULL, &exit_code);
    const struct tree_node *pipelines = status ? tree_find(status, "pipelines") : NULL;
    bool done = true;

    for (const struct tree_node *at = pipelines ? pipelines->first : NULL; at; at = at->next)
        if (is_meant(request, at) && strcmp(admin_client_text(at, "state"), "drained") != 0 &&
            strcmp(admin_client_text(at, "state"), "ended") != 0)
            done = false;
    region_fini(&region);
    return done;
}

static void wait_until_done(const struct control_request *request, const char *pid)
{
    if (strcmp(request->verb->name, "stop") == 0)
        wait_for_process(pid);
    else
        while (!is_drained(request))
            (void)poll(NULL, 0, PAUSE_MS);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int level(struct control_request *request, const struct tree_node *status)
{
    char path[256];

    if (!request->word) {
        (void)printf(request->json ? "[{\"level\":\"%s\"}" : "%s\n",
                     admin_client_text(status, "log_level"));
        request->any = true;
        return EX_OK;
    }
    if (strcmp(request->word, "error") != 0 && strcmp(request->word, "warn") != 0 &&
        strcmp(request->word, "info") != 0 && strcmp(request->word, "debug") != 0 &&
        !(request->component && strcmp(request->word, "default") == 0))
        return control_request_refuse(request, "error, warn, info or debug, not", request->word) -
               1;
    (void)snprintf(path, sizeof path, "/loglevel?level=%s%s%.130s", request->word,
                   request->component ? "&component=" : "",
                   request->component ? request->component : "");
    return post(request, "", path);
}

static int obey(struct control_request *request)
{
    int exit_code;
    const struct tree_node *status =
        admin_client_status(&request->client, &request->region, stderr, &exit_code);

    if (!status)
        return exit_code;
    if (request->verb->takes & OF_PIPELINES)
        exit_code = for_each(request, tree_find(status, "pipelines"));
    else if (request->verb->takes & TAKES_WORD)
        exit_code = level(request, status);
    else
        exit_code = post(request, "",
                         strcmp(request->verb->name, "stop") == 0 ? "/shutdown"
                         : request->drop_removed                  ? "/reload?removed=drop"
                                                                  : "/reload");
    if (exit_code == EX_OK && request->wait)
        wait_until_done(request, admin_client_text(status, "pid"));
    if (request->json && request->any)
        (void)printf("]\n");
    return exit_code;
}

int cmd_control(int argc, char **argv)
{
    struct control_request request = {0};
    int exit_code = control_request_parse(argc, argv, &request);

    if (exit_code != 0)
        return exit_code - 1;
    exit_code = admin_client_find(&request.client, request.config, request.socket, true);
    if (exit_code == EX_OK)
        exit_code = obey(&request);
    region_fini(&request.region);
    return exit_code;
}
